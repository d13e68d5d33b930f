import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One of the media that a clip was made of. */
export interface VideoSource {
  /** `image 1`. */
  readonly label: string;
  /** What is known of it: `640×480`, `5 s`, or the host that it lies on. */
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
  readonly operation: string;
  readonly model: string;
  readonly taskId: string;
  readonly sources?: readonly VideoSource[];
}

export type VideoMaker = (spec: VideoSpec) => Promise<Uint8Array>;

export interface Clip {
  readonly bytes: Uint8Array;
  /** Strong, quotes included. */
  readonly etag: string;
}

interface Making {
  state: 'making' | 'ready' | 'failed';
  readonly clip: Promise<Clip>;
}

interface ClipStoreOptions {
  readonly videoMaker: VideoMaker;
  readonly folder: string | undefined;
}

export type ClipStore = ReturnType<typeof createClipStore>;

const MAX_KEPT = 64;

/** Makes each clip once, and keeps the last 64 in memory (and all in the folder, if given). */
export function createClipStore(options: ClipStoreOptions) {
  const makings = new Map<string, Making>();
  const find = (spec: VideoSpec): Making => {
    const key = hash(JSON.stringify(spec));
    const known = makings.get(key);
    if (known !== undefined) return known;
    const clip = makeClip(key, spec, options);
    const making: Making = { state: 'making', clip };
    const end = (state: Making['state']) => () => {
      making.state = state;
    };
    clip.then(end('ready'), end('failed'));
    makings.set(key, making);
    for (const [oldest, { state }] of makings) {
      if (makings.size <= MAX_KEPT) break;
      if (state !== 'making') makings.delete(oldest);
    }
    return making;
  };
  return {
    /** Starts making the clip, or joins the making. */
    get: (spec: VideoSpec) => find(spec).clip,
    stateOf: (spec: VideoSpec) => find(spec).state,
  };
}

async function makeClip(
  key: string,
  spec: VideoSpec,
  { videoMaker, folder }: ClipStoreOptions,
): Promise<Clip> {
  if (folder === undefined) return toClip(await videoMaker(spec));
  const path = join(folder, `${key}.mp4`);
  const kept = await readFile(path).catch(() => undefined);
  if (kept !== undefined) return toClip(kept);
  const bytes = await videoMaker(spec);
  // The folder only saves making it again: a clip that cannot be written is served all the same.
  await keep(folder, path, bytes).catch(() => {});
  return toClip(bytes);
}

/** Another process may keep the same clip at the same moment: each writes under its own name. */
async function keep(folder: string, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(temporary, bytes);
  await rename(temporary, path);
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
