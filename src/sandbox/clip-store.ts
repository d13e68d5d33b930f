import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from './http.ts';

/** One of the media that a clip was made of. */
export interface VideoSource {
  /** `image 1`. */
  readonly label: string;
  /** The name of its file, or the host that it lies on. */
  readonly note: string;
  /** A local file with a JPEG, PNG or WebP. Without it, or when it can't be decoded, a pattern stands for it. */
  readonly picturePath?: string | undefined;
  /** Fills the first or the last second of the clip. */
  readonly role?: 'first' | 'last' | undefined;
}

export interface VideoSpec {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly durationSeconds: number;
  readonly hasAudio: boolean;
  readonly prompt: string;
  readonly ratio: string;
  readonly quality: string;
  readonly model: string;
  readonly taskId: string;
  readonly sources?: readonly VideoSource[];
}

export type VideoMaker = (spec: VideoSpec) => Promise<Uint8Array>;
export type Clip = ReturnType<typeof toClip>;
export type ClipStore = ReturnType<typeof createClipStore>;

const MAX_KEPT = 64;

/** Makes each clip once, and keeps the last 64 in memory (and all in the folder, if given). */
export function createClipStore(makeVideo: VideoMaker, folder: string | undefined) {
  const makings = new Map<string, { state: 'making' | 'ready' | 'failed'; readonly clip: Promise<Clip> }>();
  const make = async (key: string, spec: VideoSpec): Promise<Clip> => {
    const path = folder && join(folder, `${hash(key)}.mp4`);
    const kept = path && (await readFile(path).catch(() => undefined));
    if (kept) return toClip(kept);
    const bytes = await makeVideo(spec);
    try {
      if (path) writeWhole(path, bytes);
    } catch {
      // The folder only saves making it again.
    }
    return toClip(bytes);
  };
  /** Starts making the clip, or joins the making. */
  return (spec: VideoSpec) => {
    const key = JSON.stringify(spec);
    const known = makings.get(key);
    if (known !== undefined) return known;
    const making = { state: 'making' as 'making' | 'ready' | 'failed', clip: make(key, spec) };
    making.clip.then(
      () => (making.state = 'ready'),
      () => (making.state = 'failed'),
    );
    makings.set(key, making);
    for (const [oldest, { state }] of makings) {
      if (makings.size <= MAX_KEPT) break;
      if (state !== 'making') makings.delete(oldest);
    }
    return making;
  };
}

/** Another clip of the same pictures: a `free` box at the end changes length and hash, and every player skips it. */
export function changeClip(clip: Clip, version: number): Clip {
  if (version === 0) return clip;
  const box = Buffer.alloc(16 + version, version % 256);
  box.writeUInt32BE(box.length, 0);
  box.write('free', 4, 'latin1');
  return toClip(Buffer.concat([clip.bytes, box]));
}

/** The ETag is a strong one, quotes included. */
function toClip(bytes: Uint8Array) {
  return { bytes, etag: `"${hash(bytes)}"` };
}

function hash(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
