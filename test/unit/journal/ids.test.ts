import { expect, test } from 'vitest';
import {
  hashKey,
  isUncertain,
  LOCAL_ID,
  newIdempotencyKey,
  newLocalId,
  RECORD_STATES,
  requestIdentity,
} from '../../../src/task/record.ts';

const nowMs = Date.UTC(2026, 10, 21, 9, 15, 2, 999);

test('a local id is the time in UTC and six random characters', () => {
  expect(newLocalId(nowMs, () => 0)).toBe('20261121-091502-000000');
  expect(newLocalId(nowMs, () => 0.999999)).toBe('20261121-091502-zzzzzz');
  expect(newLocalId(nowMs, Math.random)).toMatch(LOCAL_ID);
});

test('local ids sort by time and differ within a second', () => {
  const ids = [0, 1_000, 3_600_000, 86_400_000 * 40].map((laterMs) =>
    newLocalId(nowMs + laterMs, Math.random),
  );
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(Array.from({ length: 1_000 }, () => newLocalId(nowMs, Math.random))).size).toBe(1_000);
});

test('an idempotency key is new each time and has the characters that the service takes', () => {
  const keys = Array.from({ length: 100 }, newIdempotencyKey);
  expect(new Set(keys).size).toBe(100);
  for (const key of keys) expect(key).toMatch(/^[A-Za-z0-9._-]{16,96}$/);
});

const plan = { kind: 'file', folder: '/videos', pattern: '{id}.mp4', onExisting: 'refuse' } as const;

test('the identity of a request depends on the request and on the place, not on what happens to an existing file', () => {
  const identity = requestIdentity('abc', plan);
  expect(identity).toMatch(/^[0-9a-f]{64}$/);
  expect(requestIdentity('abc', { ...plan })).toBe(identity);
  expect(requestIdentity('abc', { ...plan, onExisting: 'overwrite' })).toBe(identity);
  const others = [
    requestIdentity('abd', plan),
    requestIdentity('abc', { ...plan, folder: '/videos2' }),
    requestIdentity('abc', { ...plan, pattern: '{slug}.mp4' }),
    requestIdentity('abc', { ...plan, folder: '/videos{id}', pattern: '.mp4' }),
    requestIdentity('abc', { kind: 'stdout' }),
  ];
  expect(new Set([identity, ...others]).size).toBe(6);
});

test('an identity never changes, as it is how a pending task is found again; EvoLink itself has no name in it', () => {
  const of = (...given: Parameters<typeof requestIdentity>) => requestIdentity(...given).slice(0, 12);
  expect(of('abc', plan)).toBe('1851661c5b97');
  expect(of('abc', { kind: 'stdout' })).toBe('45f2a487c54d');
  expect(of('abc', plan, 'https://other.example')).toBe('f23a083a2742');
});

test('the hash of a key tells keys apart, and too little to tell a key', () => {
  expect(hashKey('sk-one-0123456789')).toMatch(/^[0-9a-f]{6}$/);
  expect(hashKey('sk-one-0123456789')).not.toBe(hashKey('sk-two-0123456789'));
});

test('a request is uncertain from before it is sent until an answer tells', () => {
  expect(RECORD_STATES.filter((state) => isUncertain({ state }))).toEqual(['sent', 'unknown']);
});
