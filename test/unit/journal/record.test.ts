import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { OutputPlan } from '../../../src/config/output.ts';
import { EvolinkError } from '../../../src/errors.ts';
import {
  chargedIn,
  checkTransition,
  formatRecord,
  hashKey,
  isUncertain,
  LOCAL_ID,
  nameOf,
  newLocalId,
  parseRecord,
  RECORD_STATES,
  type RecordState,
  readName,
  requestIdentity,
  type TaskRecord,
  taskFacts,
} from '../../../src/task/record.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';

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

test('an identity is of the request and the place, whatever happens to an existing file; it never changes', () => {
  expect(of('abc', { ...plan, onExisting: 'overwrite' })).toBe(of('abc', plan));
  const all = [
    of('abc', plan),
    of('abd', plan),
    of('abc', { ...plan, folder: '/videos2' }),
    of('abc', { ...plan, pattern: '{slug}.mp4' }),
    of('abc', { ...plan, folder: '/videos{id}', pattern: '.mp4' }),
    of('abc', { kind: 'stdout' }),
  ];
  expect(new Set(all).size).toBe(6);
  expect(all[0]).toMatch(/^1851661c5b97[0-9a-f]{52}$/);
  expect(all[5]).toMatch(/^45f2a487c54d/);
  // EvoLink itself has no name in it.
  expect(of('abc', plan, 'https://other.example')).toMatch(/^f23a083a2742/);
});

test('the hash of a key tells keys apart, and too little to tell a key', () => {
  expect(hashKey('sk-one-0123456789')).toMatch(/^[0-9a-f]{6}$/);
  expect(hashKey('sk-one-0123456789')).not.toBe(hashKey('sk-two-0123456789'));
});

test('a request is uncertain from before it is sent until an answer tells', () => {
  expect(RECORD_STATES.filter((state) => isUncertain({ state }))).toEqual(['sent', 'unknown']);
});

test.each<[RecordState, 'yes' | 'no' | 'unknown', readonly RecordState[]]>([
  ['intent', 'no', ['sent', 'rejected', 'failed']],
  ['sent', 'unknown', ['accepted', 'rejected', 'failed', 'unknown', 'intent', 'dismissed']],
  ['unknown', 'unknown', ['accepted', 'rejected', 'failed', 'sent', 'intent', 'dismissed']],
  ['accepted', 'yes', ['completed', 'failed', 'expired', 'dismissed']],
  ['completed', 'yes', ['saved', 'expired', 'failed', 'dismissed']],
  ['saved', 'yes', ['expired']],
  ['rejected', 'no', []],
  ['failed', 'unknown', ['accepted', 'completed']],
  ['expired', 'yes', ['accepted', 'completed', 'saved']],
  ['dismissed', 'unknown', ['accepted']],
])('%s is charged: %s; a paid task is never sent again', (from, charged, next) => {
  expect(chargedIn({ state: from })).toBe(charged);
  for (const to of RECORD_STATES) {
    const check = () => checkTransition('the-id', from, to);
    if ((from === to && to !== 'sent') || next.includes(to)) expect(check).not.toThrow();
    else expect(check).toThrow(EvolinkError);
  }
});

test('a forbidden change is a bug and says which', () => {
  const message = 'record the-id cannot go from state "saved" to "sent"';
  expect(() => checkTransition('the-id', 'saved', 'sent')).toThrow(
    expect.objectContaining({ kind: 'internal', message }),
  );
});

const full: TaskRecord = sampleRecord({
  state: 'saved',
  body: {
    model: 'seedance-2.0-reference-to-video',
    prompt: 'image 1 as a frog',
    image_urls: ['https://a.example/1.png'],
    video_urls: ['https://a.example/1.mp4'],
    audio_urls: ['https://a.example/1.mp3'],
    duration: 5,
    quality: '720p',
    aspect_ratio: '16:9',
    generate_audio: true,
    content_filter: true,
    model_params: { web_search: true },
  },
  estimatedCredits: 67.4,
  job: 'p/a',
  keyHash: 'abc123',
  sentAtMs: 2,
  resentAtMs: 2,
  taskId: 'task-unified-1757165031-uyujaw3d',
  acceptedAtMs: 3,
  requestId: 'req-1',
  reservedCredits: 67.5,
  usedCredits: 67.6,
  estimatedSeconds: 165,
  completedAtMs: 4,
  links: ['https://files.evolink.ai/x.mp4'],
  linkExpiresAtMs: 5,
  serverAheadMs: 1,
  saved: [{ path: '/videos/x.mp4', sizeBytes: 1, sha256: 'c'.repeat(64), atMs: 6 }],
  error: { kind: 'task-failed', code: 'service_error', message: 'm' },
  unknown: { reason: 'the connection ended', httpStatus: 502, rawBody: '<html>' },
  timeline: [{ atMs: 3, status: 'pending' }],
});

const withField = (key: string, value: unknown) => JSON.stringify({ ...full, [key]: value });

test('the ids and the money of a task are as the record has them', () => {
  const credits = { estimated: 67.4, reserved: 67.5, used: 67.6 };
  expect(taskFacts(full)).toEqual({ local_id: full.localId, task_id: full.taskId, credits });
  const unknown = { estimated: null, reserved: null, used: null };
  expect(taskFacts(sampleRecord())).toMatchObject({ task_id: null, credits: unknown });
});

test('a full record survives writing and reading, in snake_case and as 0.1.0 has written it', () => {
  const text = formatRecord(full);
  expect(parseRecord(text)).toEqual(full);
  expect(Object.keys(JSON.parse(text)).filter((key) => /[A-Z]/.test(key))).toEqual([]);
  expect(JSON.parse(text).body).toEqual(full.body);
  const old = { ...full, schemaVersion: 1 };
  expect(parseRecord(JSON.stringify(old))).toEqual(old);
});

test('each operation and each way with an existing file is taken; a name is read whole', () => {
  for (const operation of ['t2v', 'i2v', 'ref'] as const)
    expect(parseRecord(withField('operation', operation))).toMatchObject({ operation });
  for (const onExisting of ['refuse', 'overwrite', 'skip'] as const)
    expect(parseRecord(withField('output', { ...plan, onExisting }))).toMatchObject({
      output: { onExisting },
    });
  expect(readName(nameOf(full))).toMatchObject({ localId: full.localId, request: 'a'.repeat(32) });
  for (const name of [`copy of ${nameOf(full)}`, `${nameOf(full)}.dismissed`, '20261121.json'])
    expect(readName(name)).toBeUndefined();
});

test('a record with only what is required is whole; fields of a later version are kept', () => {
  const output = { kind: 'stdout' } as const;
  const { operation: _o, body: _b, idempotencyKey: _k, ...rest } = sampleRecord({ output });
  expect(parseRecord(JSON.stringify(rest))).toEqual(rest);
  expect(parseRecord(JSON.stringify({ ...full, later: { a: [1] } }))).toMatchObject({ later: { a: [1] } });
});

/** Of the body only what is used here is looked at: it goes out as it was made. */
const paths = fieldPaths(full).filter((path) => !/content_filter|model_params/.test(path));

test.each(paths)('a wrong type at %s is not taken', (path) => {
  const [last = '', ...parents] = path.split('.').toReversed();
  const isWord = /state|operation|kind|onExisting|localId|schemaVersion/.test(last);
  for (const wrong of [null, [[]], { x: 1 }, 'no such word', -0.5, true]) {
    const changed = JSON.parse(JSON.stringify(full));
    const holder = parents.reduceRight((value, key) => value[key], changed);
    // Another value of the same type is none of a wrong one, but for a word of a list.
    if (!isWord && typeof wrong === typeof holder[last] && typeof wrong !== 'object') continue;
    holder[last] = wrong;
    expect(typeof parseRecord(JSON.stringify(changed)), JSON.stringify(wrong)).toBe('string');
  }
});

/** Every field of the sample, nested ones as `body.prompt`. */
function fieldPaths(value: unknown, prefix = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => [
    `${prefix}${key}`,
    ...fieldPaths(child, `${prefix}${key}.`),
  ]);
}

test('a file that was cut anywhere, or is any other JSON, is unusable, never an error', () => {
  const text = formatRecord(full);
  const cut = fc.integer({ min: 0, max: text.length - 3 }).map((length) => text.slice(0, length));
  fc.assert(fc.property(fc.oneof(cut, fc.json()), (any) => typeof parseRecord(any) === 'string'));
});

test.each([
  ['{"schemaVersion":3}', 'written by a newer evolink (schema version 3)'],
  ['{"schema_version":3}', 'written by a newer evolink (schema version 3)'],
  ['[]', 'not a task record'],
  ['null', 'not a task record'],
  ['{', 'not whole, or not JSON'],
  [withField('state', 'paid'), 'not a task record: "state" is missing or wrong'],
  [withField('identity', `${'a'.repeat(64)}/..`), 'not a task record: "identity" is missing or wrong'],
  [withField('identity', `../${'a'.repeat(64)}`), 'not a task record: "identity" is missing or wrong'],
  [withField('localId', 'a/../x'), 'not a task record: "localId" is missing or wrong'],
  [withField('error', { ...full.error, kind: 'ok' }), 'not a task record: "error" is missing or wrong'],
])('%s: %s', (text, reason) => {
  expect(parseRecord(text)).toBe(reason);
});
