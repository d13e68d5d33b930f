import { createHash } from 'node:crypto';
import type { GenerationRequest, WireBody } from './models.ts';

/**
 * The body of `POST /v1/videos/generations`, keys in the order of the API's documents. Settings of a known model are
 * always sent, so that a changed default of the service changes nothing; what was not asked for is left out.
 */
export function toWireBody(request: GenerationRequest): WireBody {
  const { images, videos, audios, webSearch } = request;
  const body: { [K in keyof WireBody]: WireBody[K] | undefined } = {
    model: request.model,
    prompt: request.prompt,
    image_urls: images.length === 0 ? undefined : images,
    video_urls: videos.length === 0 ? undefined : videos,
    audio_urls: audios.length === 0 ? undefined : audios,
    duration: request.durationSeconds,
    quality: request.quality,
    aspect_ratio: request.aspectRatio,
    generate_audio: request.generateAudio,
    content_filter: request.contentFilter,
    model_params: webSearch === undefined ? undefined : { web_search: webSearch },
    callback_url: request.callbackUrl,
  };
  const given = Object.entries(body).filter(([, value]) => value !== undefined);
  return { model: request.model, prompt: request.prompt, ...Object.fromEntries(given) };
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
  if (!(value === null || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value)))
    throw new TypeError(`JSON cannot hold a value of type ${typeof value}: ${String(value)}`);
  return JSON.stringify(value);
}

/**
 * The identity of a request: SHA-256 of its canonical body, in hex. `mediaHashes` maps entries of the media lists (a
 * local path, or the URL its upload got) to a hash of their content, so that a renamed file or a second upload stays
 * the same request and a changed file does not.
 */
export function fingerprint(body: WireBody, mediaHashes: ReadonlyMap<string, string> = new Map()): string {
  const byContent = (entry: string): string => {
    const hash = mediaHashes.get(entry);
    return hash === undefined ? entry : `sha256:${hash}`;
  };
  const identity = {
    ...body,
    image_urls: body.image_urls?.map(byContent),
    video_urls: body.video_urls?.map(byContent),
    audio_urls: body.audio_urls?.map(byContent),
  };
  return createHash('sha256').update(canonicalJson(identity)).digest('hex');
}
