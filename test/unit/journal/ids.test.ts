import { expect, test } from 'vitest';
import type { OutputPlan } from '../../../src/config/output.ts';
import {
  hashKey,
  isUncertain,
  LOCAL_ID,
  newLocalId,
  RECORD_STATES,
  requestIdentity,
} from '../../../src/task/record.ts';

const nowMs = Date.UTC(2026, 10, 21, 9, 15, 2, 999);

test('a local id is the time in UTC to the millisecond, and four random characters', () => {
  expect(newLocalId(nowMs, () => 0)).toBe('20261121-091502-z70000');
  expect(newLocalId(nowMs, () => 0.999999)).toBe('20261121-091502-z7zzzz');
  expect(newLocalId(nowMs, Math.random)).toMatch(LOCAL_ID);
});

test('local ids sort by time and differ within a millisecond', () => {
  const ids = [...Array(2_000).keys()].map((laterMs) => newLocalId(nowMs + laterMs, Math.random));
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(Array.from({ length: 30 }, () => newLocalId(nowMs, Math.random))).size).toBe(30);
});

const plan = { kind: 'file', folder: '/videos', pattern: '{id}.mp4', onExisting: 'refuse' } as const;

const of = (fingerprint: string, output: OutputPlan, service?: string) =>
  requestIdentity({ fingerprint, output }, service);

test('the identity of a request depends on the request and on the place, not on what happens to an existing file', () => {
  const identity = of('abc', plan);
  expect(identity).toMatch(/^[0-9a-f]{64}$/);
  expect(of('abc', { ...plan })).toBe(identity);
  expect(of('abc', { ...plan, onExisting: 'overwrite' })).toBe(identity);
  const others = [
    of('abd', plan),
    of('abc', { ...plan, folder: '/videos2' }),
    of('abc', { ...plan, pattern: '{slug}.mp4' }),
    of('abc', { ...plan, folder: '/videos{id}', pattern: '.mp4' }),
    of('abc', { kind: 'stdout' }),
  ];
  expect(new Set([identity, ...others]).size).toBe(6);
});

test('an identity never changes, as it is how a pending task is found again; EvoLink itself has no name in it', () => {
  expect(of('abc', plan)).toMatch(/^1851661c5b97/);
  expect(of('abc', { kind: 'stdout' })).toMatch(/^45f2a487c54d/);
  expect(of('abc', plan, 'https://other.example')).toMatch(/^f23a083a2742/);
});

test('the hash of a key tells keys apart, and too little to tell a key', () => {
  expect(hashKey('sk-one-0123456789')).toMatch(/^[0-9a-f]{6}$/);
  expect(hashKey('sk-one-0123456789')).not.toBe(hashKey('sk-two-0123456789'));
});

test('a request is uncertain from before it is sent until an answer tells', () => {
  expect(RECORD_STATES.filter((state) => isUncertain({ state }))).toEqual(['sent', 'unknown']);
});
