import { formatBytes } from '../platform/text.ts';
import type { MediaKind } from '../request/models.ts';

/**
 * `widthPx`, `heightPx`: as shown, with the turn that the file asks for; pixels as stored, also where they are not square.
 * `framesPerSecond`: the average where the rate varies. `seconds`: from the first start of a track to the last end.
 */
type Measure = 'widthPx' | 'heightPx' | 'framesPerSecond' | 'seconds' | 'channels';

/** What the bytes of a file say of it. Absent = not known. */
export interface MediaFacts extends Readonly<Partial<Record<Measure, number | undefined>>> {
  readonly sizeBytes: number;
  /** `jpeg`, `mp4`, `heic`, …: by the bytes, never by the name. */
  readonly format: string;
  readonly mimeType: string;
  /** Absent for what is neither image nor video nor audio (an archive, a document). */
  readonly kind?: MediaKind | undefined;
  /** The picture is stored another way up than it is shown. */
  readonly isTurned?: boolean | undefined;
  /** Several pictures in one (WebP). */
  readonly isAnimated?: boolean | undefined;
  readonly videoCodec?: string | undefined;
  readonly audioCodec?: string | undefined;
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
  /** Reading it took more time or memory than any good file does. */
  readonly isOverLimit?: true | undefined;
}

/** Up to two digits after the point, no zeros at the end: `2.5`, `23.98`. */
export function formatNumber(value: number): string {
  return String(Number(value.toFixed(2)));
}

/** What is known of a file in a few words: `jpeg, 1600×1200, 1.2 MiB`; `mp4, 720×1280, 5 s, 24 fps, h264, 3.1 MiB`. */
export function describeFacts(facts: MediaFacts): string {
  const { format, framesPerSecond: rate, videoCodec, audioCodec, sizeBytes } = facts;
  const parts = [
    format,
    ...measures(facts),
    rate && `${formatNumber(rate)} fps`,
    videoCodec,
    videoCodec && audioCodec === undefined && 'mute',
    formatBytes(sizeBytes),
  ];
  return parts.filter(Boolean).join(', ');
}

/** What a plan shows: pixels and length, or what little is known: `1600×1200`, `1280×720, 5 s`, `mp3`. */
export function describePlanFacts(facts: MediaFacts): string {
  return measures(facts).join(', ') || facts.format;
}

function measures({ widthPx, heightPx, seconds }: MediaFacts) {
  const shape = widthPx && heightPx && `${widthPx}×${heightPx}`;
  return [shape, seconds && `${formatNumber(seconds)} s`].filter(Boolean);
}
