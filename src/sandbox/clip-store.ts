import { createHash } from 'node:crypto';

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
export type Clip = ReturnType<typeof toClip>;
export type ClipStore = ReturnType<typeof createClipStore>;

const MAX_KEPT = 64;

/** Makes each clip once, and keeps the last 64; equal specs give equal clips, so one that is gone is made again. */
export function createClipStore(makeVideo: VideoMaker) {
  const makings = new Map<string, { state: 'making' | 'ready' | 'failed'; readonly clip: Promise<Clip> }>();
  /** Starts making the clip, or joins the making. */
  return (spec: VideoSpec) => {
    const key = JSON.stringify(spec);
    const known = makings.get(key);
    if (known !== undefined) return known;
    const making = { state: 'making' as 'making' | 'ready' | 'failed', clip: makeVideo(spec).then(toClip) };
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
  return { bytes, etag: `"${createHash('sha256').update(bytes).digest('hex')}"` };
}
