import type { RequestDraft } from '../../../src/request/fields.ts';
import type { Operation, Sourced } from '../../../src/request/models.ts';

const MEDIA_KEYS = ['images', 'videos', 'audios'] as const;

/** A draft from plain values: `draftOf('t2v', { duration: 3 })` has the source `--duration`. */
export function draftOf(operation: Operation, values: Readonly<Record<string, unknown>> = {}): RequestDraft {
  const entries = Object.entries({ prompt: 'a boat with image 1', ...values }).map(([key, value]) => {
    const source = `--${key}`;
    const isList = MEDIA_KEYS.some((media) => media === key);
    const name = key === 'duration' ? 'durationSeconds' : key;
    if (!isList || !Array.isArray(value)) return [name, { value, source }];
    const items: Sourced<unknown>[] = value.map((item: unknown) => ({ value: item, source }));
    return [key, items];
  });
  return { operation, ...Object.fromEntries(entries) };
}

export const IMAGE = 'https://cdn.example.com/a.png';
export const VIDEO = 'https://cdn.example.com/a.mp4';
export const AUDIO = 'https://cdn.example.com/a.mp3';
