import { MEDIA_LIMITS, type MediaKind, type MediaLimits } from '../request/limits.ts';
import { formatNumber } from './describe-facts.ts';
import { LENGTH_SLACK_SECONDS } from './judge-media.ts';
import type { MediaProblem } from './media-facts.ts';

/** Lengths of the clips of one kind; undefined where one is not known. */
export type Lengths = readonly (number | undefined)[];

/** The sum of what is known, and whether that is all. */
export function sumSeconds(lengths: Lengths): { readonly knownSeconds: number; readonly isWhole: boolean } {
  const known = lengths.filter((seconds) => seconds !== undefined);
  return {
    knownSeconds: known.reduce((sum, seconds) => sum + seconds, 0),
    isWhole: known.length === lengths.length,
  };
}

/** Whether all clips of a kind are too long together. The known ones alone can be too long already. */
export function judgeTotal(lengths: Lengths, kind: MediaKind): MediaProblem | undefined {
  const limits: MediaLimits = MEDIA_LIMITS[kind];
  const { knownSeconds } = sumSeconds(lengths);
  if (limits.maxTotalSeconds === undefined || lengths.length < 2) return undefined;
  if (knownSeconds <= limits.maxTotalSeconds + LENGTH_SLACK_SECONDS) return undefined;
  const each = lengths.map((seconds) => (seconds === undefined ? '?' : formatNumber(seconds))).join(' + ');
  return {
    rule: 'total-length',
    is: `are ${formatNumber(knownSeconds)} s together (${each})`,
    allowed: `at most ${limits.maxTotalSeconds} s`,
  };
}

/**
 * How long each clip may stay so that all fit: the longest are cut first, none below what one clip must have. Undefined
 * where that can't be done.
 */
export function trimToTotal(seconds: readonly number[], kind: MediaKind): readonly number[] | undefined {
  const limits: MediaLimits = MEDIA_LIMITS[kind];
  const { maxTotalSeconds, clipSeconds } = limits;
  if (maxTotalSeconds === undefined || clipSeconds === undefined) return undefined;
  if (seconds.length * clipSeconds.min > maxTotalSeconds) return undefined;
  // The highest common ceiling under which the sum fits, to a tenth of a second.
  const sumUnder = (ceiling: number) => seconds.reduce((sum, each) => sum + Math.min(each, ceiling), 0);
  let ceilingTenths = Math.floor(clipSeconds.max * 10);
  while (ceilingTenths > clipSeconds.min * 10 && sumUnder(ceilingTenths / 10) > maxTotalSeconds)
    ceilingTenths -= 1;
  return seconds.map((each) => Math.min(each, ceilingTenths / 10));
}
