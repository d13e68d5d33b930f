import { createHash } from 'node:crypto';
import type { GenerationRequest, WireBody } from './models.ts';

function list<K extends string>(
  key: K,
  values: readonly string[],
): { readonly [P in K]?: readonly string[] } {
  const entry: { [P in K]?: readonly string[] } = {};
  if (values.length > 0) entry[key] = [...values];
  return entry;
}

/**
 * The body of `POST /v1/videos/generations`, keys in the order of the API's documents. Settings are always sent, so
 * that a changed default of the service changes nothing; what was not asked for is left out.
 */
export function toWireBody(request: GenerationRequest): WireBody {
  return {
    model: request.model,
    prompt: request.prompt,
    ...list('image_urls', request.images),
    ...list('video_urls', request.videos),
    ...list('audio_urls', request.audios),
    duration: request.durationSeconds,
    quality: request.quality,
    aspect_ratio: request.aspectRatio,
    generate_audio: request.generateAudio,
    content_filter: request.contentFilter,
    ...(request.webSearch === undefined ? {} : { model_params: { web_search: request.webSearch } }),
    ...(request.callbackUrl === undefined ? {} : { callback_url: request.callbackUrl }),
  };
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/**
 * JSON with sorted keys and no white space (RFC 8785): equal values give equal text, whatever the order of their keys.
 * Members that are undefined are left out.
 * @throws TypeError for what JSON cannot hold: NaN and infinities, bigints, functions, symbols, a lone undefined.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${Array.from(value, canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => byCodeUnits(a, b))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  const isJson =
    value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
  if (!isJson) throw new TypeError(`JSON cannot hold a value of type ${typeof value}: ${String(value)}`);
  return JSON.stringify(value);
}

/**
 * The identity of a request: SHA-256 of its canonical body, in hex. `mediaHashes` maps entries of the media lists (a
 * local path, or the URL its upload got) to a hash of their content, so that a renamed file or a second upload stays
 * the same request and a changed file does not.
 */
export function fingerprint(body: WireBody, mediaHashes: ReadonlyMap<string, string> = new Map()): string {
  const byContent = (entries: readonly string[] | undefined): readonly string[] | undefined =>
    entries?.map((entry) => {
      const hash = mediaHashes.get(entry);
      return hash === undefined ? entry : `sha256:${hash}`;
    });
  const identity = {
    ...body,
    image_urls: byContent(body.image_urls),
    video_urls: byContent(body.video_urls),
    audio_urls: byContent(body.audio_urls),
  };
  return createHash('sha256').update(canonicalJson(identity)).digest('hex');
}
