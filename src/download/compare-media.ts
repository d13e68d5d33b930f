import type { MediaExpectation, MediaFacts } from './types.ts';

/** Encoders end on a picture or a sound frame, not on the second. */
const DURATION_TOLERANCE_SECONDS = 0.5;

/** What differs between the request and the file, a line each. The clip is paid for either way, so these are warnings. */
export function compareMedia(expectation: MediaExpectation, facts: MediaFacts): readonly string[] {
  const { durationSeconds, widthPx, heightPx, hasAudio } = expectation;
  const warnings: string[] = [];
  // Fragmented files leave it open (0): nothing to compare.
  const isKnownDuration = durationSeconds !== undefined && facts.durationSeconds > 0;
  if (isKnownDuration && Math.abs(durationSeconds - facts.durationSeconds) > DURATION_TOLERANCE_SECONDS) {
    warnings.push(
      `the video is ${Number(facts.durationSeconds.toFixed(2))} s long, ${durationSeconds} s were asked for`,
    );
  }
  const isKnownSize = facts.widthPx !== undefined && facts.heightPx !== undefined;
  if (
    isKnownSize &&
    widthPx !== undefined &&
    heightPx !== undefined &&
    (facts.widthPx !== widthPx || facts.heightPx !== heightPx)
  ) {
    warnings.push(
      `the video has ${facts.widthPx}×${facts.heightPx} pixels, ${widthPx}×${heightPx} were asked for`,
    );
  }
  if (hasAudio !== undefined && hasAudio !== facts.hasAudio) {
    warnings.push(
      hasAudio
        ? 'the video has no sound, although it was asked for'
        : 'the video has sound, although none was asked for',
    );
  }
  return warnings;
}
