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
