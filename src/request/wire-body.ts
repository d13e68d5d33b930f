import type { GenerationRequest, WireBody } from './types.ts';

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
