import type { WireBody } from '../request/types.ts';

/** A body with the URLs of uploads in place of local paths. */
export function withUrls(body: WireBody, urls: ReadonlyMap<string, string>): WireBody {
  const replaced = (entries: readonly string[]) => entries.map((entry) => urls.get(entry) ?? entry);
  return {
    ...body,
    ...(body.image_urls === undefined ? {} : { image_urls: replaced(body.image_urls) }),
    ...(body.video_urls === undefined ? {} : { video_urls: replaced(body.video_urls) }),
    ...(body.audio_urls === undefined ? {} : { audio_urls: replaced(body.audio_urls) }),
  };
}

/** All media of a body: images, videos, sounds. */
export function mediaUrls(body: WireBody | undefined): readonly string[] {
  return [body?.image_urls, body?.video_urls, body?.audio_urls].flatMap((urls) => urls ?? []);
}
