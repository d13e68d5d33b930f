import { createHash } from 'node:crypto';
import type { WireBody } from './fields.ts';

/**
 * JSON with sorted keys and no white space (RFC 8785): equal values give equal text, whatever the order of their keys.
 * Members that are undefined are left out. For values that came from JSON.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.join(',')}}`;
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
