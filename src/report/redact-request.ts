import { redactAddress } from '../request/redact-address.ts';
import type { WireBody } from '../request/types.ts';

/**
 * The body of a request as a report may show it. Reports become CI artefacts that others read: the queries of addresses,
 * where signatures and tokens are, and user names in them are hidden.
 */
export function redactRequest(body: WireBody): WireBody {
  return {
    ...body,
    ...(body.image_urls === undefined ? {} : { image_urls: body.image_urls.map(redactAddress) }),
    ...(body.video_urls === undefined ? {} : { video_urls: body.video_urls.map(redactAddress) }),
    ...(body.audio_urls === undefined ? {} : { audio_urls: body.audio_urls.map(redactAddress) }),
    ...(body.callback_url === undefined ? {} : { callback_url: redactAddress(body.callback_url) }),
  };
}
