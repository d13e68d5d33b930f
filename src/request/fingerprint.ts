import { createHash } from 'node:crypto';
import type { GenerationRequest, WireBody } from './models.ts';

function given<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  const entry: { [P in K]?: V } = {};
  if (value !== undefined) entry[key] = value;
  return entry;
}

function listOf(values: readonly string[]): readonly string[] | undefined {
  return values.length === 0 ? undefined : [...values];
}

/**
 * The body of `POST /v1/videos/generations`, keys in the order of the API's documents. Settings of a known model are
 * always sent, so that a changed default of the service changes nothing; what was not asked for is left out.
 */
export function toWireBody(request: GenerationRequest): WireBody {
  return {
    model: request.model,
    prompt: request.prompt,
    ...given('image_urls', listOf(request.images)),
    ...given('video_urls', listOf(request.videos)),
    ...given('audio_urls', listOf(request.audios)),
    ...given('duration', request.durationSeconds),
    ...given('quality', request.quality),
    ...given('aspect_ratio', request.aspectRatio),
    ...given('generate_audio', request.generateAudio),
    ...given('content_filter', request.contentFilter),
    ...(request.webSearch === undefined ? {} : { model_params: { web_search: request.webSearch } }),
    ...given('callback_url', request.callbackUrl),
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
