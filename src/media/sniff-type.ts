import type { FileTypeResult } from 'file-type';
import type { MediaKind } from '../request/limits.ts';

export interface MediaType {
  readonly format: string;
  readonly mimeType: string;
  readonly kind?: MediaKind | undefined;
  /** The extension of a file of this type, with its dot. */
  readonly extension: string;
}

/** Formats whose usual extension is not their name, and types that have several names. */
const NAMES: Readonly<Record<string, { readonly format: string; readonly mimeType?: string }>> = {
  jpg: { format: 'jpeg' },
  tif: { format: 'tiff' },
  // Apple's word for MP4 with its own brand; the box structure is the same.
  m4v: { format: 'mp4', mimeType: 'video/mp4' },
};

/**
 * The type of a local file by its bytes; undefined for bytes that no known type has. The library is loaded at the first
 * call. @throws the system's errors of reading
 */
export async function sniffFile(path: string): Promise<MediaType | undefined> {
  const { fileTypeFromFile } = await import('file-type');
  return guarded(() => fileTypeFromFile(path));
}

/** The same for the first bytes of a file (some kilobytes are enough for most types). */
export async function sniffBytes(bytes: Uint8Array): Promise<MediaType | undefined> {
  const { fileTypeFromBuffer } = await import('file-type');
  return guarded(() => fileTypeFromBuffer(bytes));
}

/** A file that ends in the middle of its head makes the library throw; the type is unknown then. */
async function guarded(detect: () => Promise<FileTypeResult | undefined>): Promise<MediaType | undefined> {
  try {
    const found = await detect();
    return found === undefined ? undefined : toMediaType(found);
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw error;
    return undefined;
  }
}

function toMediaType({ ext, mime }: FileTypeResult): MediaType {
  const known = NAMES[ext];
  const mimeType = known?.mimeType ?? mime;
  const format = known?.format ?? ext;
  return { format, mimeType, kind: kindOf(mimeType), extension: `.${format === 'jpeg' ? 'jpg' : format}` };
}

function kindOf(mimeType: string): MediaKind | undefined {
  const [family] = mimeType.split('/');
  return family === 'image' || family === 'video' || family === 'audio' ? family : undefined;
}
