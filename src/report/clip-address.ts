import { isAbsolute, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A path as seen from a folder, with `/` on every platform; undefined where only an absolute path leads there (another drive). */
export function relativePath(folder: string, path: string): string | undefined {
  const found = relative(folder, path);
  return isAbsolute(found) ? undefined : found.split(sep).join('/');
}

/**
 * The address of a file for a page that stands in a folder: relative and URL-encoded, so that folder and files can move
 * together; a `file:` URL where no relative path leads there.
 */
export function clipAddress(folder: string, path: string): string {
  const found = relativePath(folder, path);
  if (found === undefined) return pathToFileURL(path).href;
  return found.split('/').map(encodeSegment).join('/');
}

function encodeSegment(segment: string): string {
  // A lone surrogate, possible in names on Windows, has no encoding.
  return encodeURIComponent(segment.replace(/\p{Surrogate}/gu, '\uFFFD'));
}
