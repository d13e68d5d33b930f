import { formatBytes } from '../download/format-bytes.ts';
import type { MediaFacts } from './media-facts.ts';

/** Up to two digits after the point, no zeros at the end: `2.5`, `23.98`. */
export function formatNumber(value: number): string {
  return String(Number(value.toFixed(2)));
}

/** `1600×1200`; undefined where either is not known. */
export function describePixels({ widthPx, heightPx }: MediaFacts): string | undefined {
  return widthPx === undefined || heightPx === undefined ? undefined : `${widthPx}×${heightPx}`;
}

/** What is known of a file in a few words: `jpeg, 1600×1200, 1.2 MiB`; `mp4, 720×1280, 5 s, 24 fps, h264, 3.1 MiB`. */
export function describeFacts(facts: MediaFacts): string {
  const { format, seconds, framesPerSecond, videoCodec, audioCodec, kind, sizeBytes } = facts;
  const parts = [
    format,
    describePixels(facts),
    seconds === undefined ? undefined : `${formatNumber(seconds)} s`,
    framesPerSecond === undefined ? undefined : `${formatNumber(framesPerSecond)} fps`,
    videoCodec,
    kind === 'video' && videoCodec !== undefined && audioCodec === undefined ? 'mute' : undefined,
    formatBytes(sizeBytes),
  ];
  return parts.filter((part) => part !== undefined).join(', ');
}

/** What a plan shows: pixels and length, or what little is known: `1600×1200`, `1280×720, 5 s`, `mp3`. */
export function describePlanFacts(facts: MediaFacts): string {
  const { seconds, format } = facts;
  const parts = [describePixels(facts), seconds === undefined ? undefined : `${formatNumber(seconds)} s`];
  const known = parts.filter((part) => part !== undefined);
  return known.length === 0 ? format : known.join(', ');
}
