import type { MediaKind } from '../request/limits.ts';

/** What the bytes of a file say of it. Absent = not known. */
export interface MediaFacts {
  readonly sizeBytes: number;
  /** `jpeg`, `mp4`, `heic`, …: by the bytes, never by the name. */
  readonly format: string;
  readonly mimeType: string;
  /** Absent for what is neither picture nor clip nor sound (an archive, a document). */
  readonly kind?: MediaKind | undefined;
  /** As shown: with the turn that the file asks for. Pixels as stored, also where they are not square. */
  readonly widthPx?: number | undefined;
  readonly heightPx?: number | undefined;
  /** The picture is stored another way up than it is shown. */
  readonly isTurned?: boolean | undefined;
  /** Several pictures in one (WebP). */
  readonly isAnimated?: boolean | undefined;
  /** Frames by seconds: the average where the rate varies. */
  readonly framesPerSecond?: number | undefined;
  /** From the first start of a track to the last end. */
  readonly seconds?: number | undefined;
  readonly videoCodec?: string | undefined;
  readonly audioCodec?: string | undefined;
  readonly channels?: number | undefined;
}

/** Which rule of the service a file breaks, or why it could not be looked at. */
export type MediaRule =
  | 'readable'
  | 'whole'
  | 'type'
  | 'size'
  | 'sides'
  | 'ratio'
  | 'area'
  | 'frame-rate'
  | 'length'
  | 'total-length'
  | 'address';

/** One thing that is wrong with a file: `is`, then `allowed`, both phrases without a full stop. */
export interface MediaProblem {
  readonly rule: MediaRule;
  /** `is 7000×5000 px`. */
  readonly is: string;
  /** `width and height must be 300 to 6000 px`. */
  readonly allowed: string;
}

/** A look at one file. Without facts there is at least one problem. */
export interface Inspection {
  readonly facts?: MediaFacts | undefined;
  readonly problems: readonly MediaProblem[];
  /** What is doubtful and stops nothing. */
  readonly remarks: readonly string[];
}
