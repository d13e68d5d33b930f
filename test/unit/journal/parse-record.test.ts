import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatRecord, parseRecord, type TaskRecord } from '../../../src/task/record.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';

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
    callback_url: 'https://a.example/hook',
  },
  estimatedCredits: 67.5,
  sentAtMs: 2,
  taskId: 'task-unified-1757165031-uyujaw3d',
  acceptedAtMs: 3,
  requestId: 'req-1',
  reservedCredits: 67.5,
  usedCredits: 67.5,
  estimatedSeconds: 165,
  completedAtMs: 4,
  links: ['https://files.evolink.ai/x.mp4'],
  linkExpiresAtMs: 5,
  saved: [{ path: '/videos/x.mp4', sizeBytes: 1, sha256: 'c'.repeat(64), atMs: 6 }],
  error: { kind: 'task-failed', code: 'service_error', message: 'm' },
  unknown: { reason: 'the connection ended', httpStatus: 502, rawBody: '<html>' },
  timeline: [{ atMs: 3, status: 'pending' }],
});

test('a full record survives writing and reading, in snake_case and as 0.1.0 has written it', () => {
  const text = formatRecord(full);
  expect(parseRecord(text)).toEqual(full);
  expect(Object.keys(JSON.parse(text)).filter((key) => /[A-Z]/.test(key))).toEqual([]);
  expect(JSON.parse(text).body).toEqual(full.body);
  const old = { ...full, schemaVersion: 1 };
  expect(parseRecord(JSON.stringify(old))).toEqual(old);
});

test('a record with only what is required is whole', () => {
  const {
    operation: _o,
    body: _b,
    idempotencyKey: _k,
    ...rest
  } = sampleRecord({ output: { kind: 'stdout' } });
  expect(parseRecord(JSON.stringify(rest))).toEqual(rest);
});

test('fields of a later version are kept', () => {
  const parsed = parseRecord(JSON.stringify({ ...full, later: { a: [1] } }));
  expect(parsed).toMatchObject({ later: { a: [1] } });
});

/** Of the body only what is used here is looked at: it goes out as it was made. */
const paths = fieldPaths(full).filter((path) => !/content_filter|model_params|callback_url/.test(path));

test.each(paths)('a wrong type at %s is not taken', (path) => {
  for (const wrong of [null, [[]], { x: 1 }, 'no such word', -0.5, true]) {
    const changed = JSON.parse(JSON.stringify(full));
    const isSame = setAt(changed, path.split('.'), wrong);
    if (isSame) continue;
    expect(typeof parseRecord(JSON.stringify(changed)), JSON.stringify(wrong)).toBe('string');
  }
});

test('a file that was cut anywhere is unusable, never an error', () => {
  const text = formatRecord(full);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: text.length - 3 }), (length) => {
      expect(typeof parseRecord(text.slice(0, length))).toBe('string');
    }),
  );
});

test('any JSON at all is taken without an error', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(typeof parseRecord(text)).toBe('string');
    }),
  );
});

test.each([
  ['{"schemaVersion":3}', 'written by a newer evolink (schema version 3)'],
  ['{"schema_version":3}', 'written by a newer evolink (schema version 3)'],
  ['[]', 'not a task record'],
  ['null', 'not a task record'],
  ['{', 'not whole, or not JSON'],
  ['', 'not whole, or not JSON'],
  [JSON.stringify({ ...full, state: 'paid' }), 'not a task record: "state" is missing or wrong'],
])('%s: %s', (text, reason) => {
  expect(parseRecord(text)).toBe(reason);
});

/** Every field of the sample, nested ones as `body.prompt`. */
function fieldPaths(value: unknown, prefix = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => [
    `${prefix}${key}`,
    ...fieldPaths(child, `${prefix}${key}.`),
  ]);
}

/** Sets a field; true where the new value has the type of the old one, so that nothing is wrong with it. */
function setAt(target: Record<string, unknown>, path: readonly string[], value: unknown): boolean {
  const [key = '', ...rest] = path;
  const old = target[key];
  if (rest.length > 0) return setAt(Object(old), rest, value);
  target[key] = value;
  const isWord = ['state', 'operation', 'kind', 'onExisting', 'localId', 'schemaVersion'].includes(key);
  return !isWord && typeof old === typeof value && typeof old !== 'object';
}
