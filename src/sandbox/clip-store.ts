import { createHash, randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../platform/folders.ts';

/** One of the media that a clip was made of. */
export interface VideoSource {
  /** `image 1`. */
  readonly label: string;
  /** What is known of it: `640×480`, `5 s`, or the host that it lies on. */
  readonly note?: string | undefined;
  /** A local file with a JPEG, PNG or WebP; without it, or when it can't be decoded, a labelled box stands for it. */
  readonly picturePath?: string | undefined;
  /** A local MP4 or MOV, whose first picture is shown where this machine can decode it. */
  readonly clipPath?: string | undefined;
  /** Fills the first or the last second of the clip. */
  readonly role?: 'first' | 'last' | undefined;
}

export interface VideoSpec {
  widthPx: number;
  heightPx: number;
  durationSeconds: number;
  hasAudio: boolean;
  prompt: string;
  ratio: string;
  quality: string;
  operation: string;
  model: string;
  taskId: string;
  sources?: readonly VideoSource[];
}

export type VideoMaker = (spec: VideoSpec) => Promise<Uint8Array>;

export interface Clip {
  readonly bytes: Uint8Array;
  /** Strong, quotes included. */
  readonly etag: string;
}

export interface ClipStore {
  /** Starts making the clip, or joins the making. */
  get(spec: VideoSpec): Promise<Clip>;
  stateOf(spec: VideoSpec): 'making' | 'ready' | 'failed';
}

interface Making {
  state: 'making' | 'ready' | 'failed';
  readonly clip: Promise<Clip>;
}

const MAX_AT_ONCE = 2;
const MAX_KEPT = 64;

/** Makes each clip once, at most two at a time, and keeps the last 64 in memory (and all in the folder, if given). */
export function createClipStore(options: { videoMaker: VideoMaker; folder?: string | undefined }): ClipStore {
  const makings = new Map<string, Making>();
  const runLimited = createLimiter(MAX_AT_ONCE);

  const start = (key: string, spec: VideoSpec): Making => {
    const clip = runLimited(() => makeClip(key, spec, options));
    const making: Making = { state: 'making', clip };
    clip.then(
      () => {
        making.state = 'ready';
      },
      () => {
        making.state = 'failed';
      },
    );
    makings.set(key, making);
    forgetOldest(makings);
    return making;
  };

  return {
    get: (spec) => {
      const key = hash(JSON.stringify(spec));
      return (makings.get(key) ?? start(key, spec)).clip;
    },
    stateOf: (spec) => {
      const key = hash(JSON.stringify(spec));
      return (makings.get(key) ?? start(key, spec)).state;
    },
  };
}

async function makeClip(
  key: string,
  spec: VideoSpec,
  options: { videoMaker: VideoMaker; folder?: string | undefined },
): Promise<Clip> {
  if (options.folder === undefined) return toClip(await options.videoMaker(spec));
  const path = join(options.folder, `${key}.mp4`);
  const kept = await readFile(path).catch(() => undefined);
  if (kept !== undefined) return toClip(kept);
  const bytes = await options.videoMaker(spec);
  // The folder only saves making it again: a clip that cannot be written is served all the same.
  await keep(path, bytes).catch(() => {});
  return toClip(bytes);
}

/** Another process may keep the same clip at the same moment: each writes under its own name. */
async function keep(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  await makeFolder(dirname(path), 0o700);
  await writeFile(temporary, bytes);
  await rename(temporary, path);
}

function forgetOldest(makings: Map<string, Making>): void {
  for (const [key, making] of makings) {
    if (makings.size <= MAX_KEPT) return;
    if (making.state !== 'making') makings.delete(key);
  }
}

/** Another clip of the same pictures: a `free` box at the end changes length and hash, and every player skips it. */
export function changeClip(clip: Clip, version: number): Clip {
  if (version === 0) return clip;
  const box = Buffer.alloc(16 + version);
  box.writeUInt32BE(box.length, 0);
  box.write('free', 4, 'latin1');
  box.fill(version % 256, 8);
  return toClip(Buffer.concat([clip.bytes, box]));
}

function toClip(bytes: Uint8Array): Clip {
  return { bytes, etag: `"${hash(bytes)}"` };
}

function hash(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

function createLimiter(maxAtOnce: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= maxAtOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
