import { ApiProblem } from './api-problem.ts';
import type { Upload } from './upload-book.ts';

interface Range {
  readonly min: number;
  readonly max: number;
}

/** What the documents say of the media of one field. */
export interface MediaRule {
  readonly field: 'image_urls' | 'video_urls' | 'audio_urls';
  readonly mimeTypes: readonly string[];
  readonly maxBytes: number;
  readonly sidePx?: Range;
  readonly ratio?: Range;
  readonly areaPx?: Range;
  readonly framesPerSecond?: Range;
  readonly seconds?: Range;
}

const MIB = 1024 * 1024;
const SIDES = { sidePx: { min: 300, max: 6000 }, ratio: { min: 0.4, max: 2.5 } };

export const MEDIA_RULES: readonly MediaRule[] = [
  { field: 'image_urls', mimeTypes: ['image/jpeg', 'image/png', 'image/webp'], maxBytes: 30 * MIB, ...SIDES },
  {
    field: 'video_urls',
    mimeTypes: ['video/mp4', 'video/quicktime'],
    maxBytes: 50 * MIB,
    ...SIDES,
    areaPx: { min: 409_600, max: 2_086_876 },
    // Nominal rates: 23.976 is sold as 24.
    framesPerSecond: { min: 23.9, max: 60.3 },
    seconds: { min: 1.9, max: 15.1 },
  },
  {
    field: 'audio_urls',
    mimeTypes: ['audio/wav', 'audio/mpeg'],
    maxBytes: 15 * MIB,
    // A coded sound is padded to whole frames.
    seconds: { min: 1.9, max: 15.1 },
  },
];

/** An upload, or a clip that this server made. */
export type OwnFile = Pick<Upload, 'mimeType' | 'sizeBytes' | 'facts'>;

/**
 * Judges a file that this server holds by what is in it, whatever its name and declared type.
 * @throws ApiProblem 400 with the field
 */
export function checkOwnFile({ mimeType, sizeBytes, facts }: OwnFile, rule: MediaRule, param: string): void {
  const refuse = (message: string) => new ApiProblem(400, 'invalid_parameter', message, param);
  if (!rule.mimeTypes.includes(facts.mimeType ?? ''))
    throw refuse(`${facts.mimeType ?? mimeType} is not a supported format here`);
  if (facts.isBroken === true) throw refuse('the file could not be decoded');
  if (sizeBytes > rule.maxBytes) throw refuse(`the file is larger than ${rule.maxBytes / MIB} MB`);
  const { widthPx, heightPx, seconds, framesPerSecond } = facts;
  const check = (value: number | undefined, range: Range | undefined, what: string): void => {
    if (value === undefined || range === undefined || (value >= range.min && value <= range.max)) return;
    throw refuse(`${what} is ${Number(value.toFixed(3))}; ${range.min} to ${range.max} are allowed`);
  };
  check(widthPx, rule.sidePx, 'the width in pixels');
  check(heightPx, rule.sidePx, 'the height in pixels');
  if (widthPx !== undefined && heightPx !== undefined) {
    check(widthPx / heightPx, rule.ratio, 'the aspect ratio');
    check(widthPx * heightPx, rule.areaPx, 'the number of pixels');
  }
  check(framesPerSecond, rule.framesPerSecond, 'the frame rate');
  check(seconds, rule.seconds, 'the length in seconds');
}
