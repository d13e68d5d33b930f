import type { RequestDraft } from '../../../src/request/draft.ts';
import type { Operation } from '../../../src/request/models.ts';
import { resolveRequest } from '../../../src/request/resolve.ts';

export type Values = Readonly<Record<string, unknown>>;

/** A draft from plain values: `draftOf('t2v', { duration: 3 })` has the source `--duration`. */
export function draftOf(operation: Operation, values: Values = {}): RequestDraft {
  const value = { prompt: 'a boat with image 1', ...values };
  return { operation, value, locate: ([key]) => ({ source: `--${key}` }) };
}

export const resolveOf = (operation: Operation, values: Values = {}, allowLoopback = false) =>
  resolveRequest(draftOf(operation, values), { folder: '/work', allowLoopback });

export const IMAGE = 'https://cdn.example.com/a.png';
export const VIDEO = 'https://cdn.example.com/a.mp4';
export const AUDIO = 'https://cdn.example.com/a.mp3';
