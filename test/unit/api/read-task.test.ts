import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCredits, readTask, readTasks } from '../../../src/api/answers.ts';
import { readRefusal } from '../../../src/api/errors.ts';
import { parseJsonBody } from '../../../src/api/json.ts';

const keep = (text: string) => text;
const ID = 'task-unified-1';
const LINK = 'https://f.test/a.mp4';
const read = (task: object) => readTask({ id: ID, status: 'completed', ...task }, keep);

describe('readTask', () => {
  it.each<[object, object]>([
    [{ status: 'pending' }, { state: 'running', isKnownStatus: true }],
    [{ status: 'processing' }, { state: 'running', isKnownStatus: true }],
    [{ status: ' COMPLETED ' }, { state: 'completed', isKnownStatus: true }],
    [{ status: 'failed' }, { state: 'failed', isKnownStatus: true }],
    [{ status: 'cancelled' }, { state: 'cancelled', isKnownStatus: true }],
    [{ status: 'canceled' }, { state: 'cancelled', isKnownStatus: true }],
    [{ status: 'succeeded' }, { state: 'running', isKnownStatus: false }],
    [{ status: 'constructor' }, { state: 'running', isKnownStatus: false }],
    [{ status: undefined }, { state: 'running', status: 'unknown', isKnownStatus: false }],
    [{ results: [LINK, LINK, 'javascript:alert(1)', 7] }, { links: [LINK] }],
    [{ results: [{ url: LINK }, { video_url: `${LINK}2` }] }, { links: [LINK, `${LINK}2`] }],
    [{ results: [], result_data: { video_url: LINK } }, { links: [LINK] }],
    [{ results: null, result_data: [{ video_url: LINK }] }, { links: [LINK] }],
    [{ results: LINK }, { links: [LINK] }],
    [{ progress: '45' }, { progressPercent: 45 }],
    [{ progress: '45%' }, { progressPercent: 45 }],
    [{ progress: 140 }, { progressPercent: 100 }],
    [{ progress: -1 }, { progressPercent: 0 }],
    [{ progress: 'soon' }, { progressPercent: undefined }],
    [{ created: 1761313744 }, { createdAtMs: 1761313744000 }],
    [{ created_at: '2025-10-24T13:49:04Z' }, { createdAtMs: 1761313744000 }],
    [{ usage: { credits_reserved: '67.5', credits_used: 0 } }, { reservedCredits: 67.5, usedCredits: 0 }],
    [{ usage: { cost: { credits: 12 } } }, { usedCredits: 12 }],
    [
      { error: { code: 'x', message: 'a\nb', type: 'task_error' } },
      { error: { code: 'x', message: 'a\nb' } },
    ],
    [{ error: 'broken' }, { error: { code: 'unknown_error', message: 'broken' } }],
    [{ error: null }, { error: undefined }],
  ])('%j', (task, expected) => {
    expect(read(task)).toMatchObject(expected);
  });

  it.each(['../x', 'a/b', 'a\\b', '', 7, null, 'x'.repeat(129), '.hidden', 'a\u0000'])(
    'refuses the id %j',
    (id) => {
      expect(readTask({ id, status: 'pending' }, keep)).toBeUndefined();
    },
  );

  it('takes the id that was asked for where the answer names none', () => {
    expect(readTask({ status: 'pending' }, keep, ID)?.id).toBe(ID);
    expect(readTask({ hello: 1 }, keep, ID)).toBeUndefined();
  });

  it('takes 64 links, not 65', () => {
    const links = (count: number) => ({ results: Array.from({ length: count }, (_, at) => `${LINK}?${at}`) });
    expect(read(links(64))?.links).toHaveLength(64);
    expect(read(links(65))).toBeUndefined();
  });
});

describe('reading never throws', () => {
  const fields =
    'id status progress results result_data usage cost error data url code created task_info user token'
      .concat(' message msg success')
      .split(' ');
  const tree = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'small' },
      fc.jsonValue(),
      fc.dictionary(fc.constantFrom(...fields), tie('node')),
      fc.array(tie('node'), { maxLength: 4 }),
    ),
  })).node;

  it('whatever the JSON', () => {
    fc.assert(
      fc.property(tree, (value) => {
        const task = readTask(value, keep, ID);
        expect(task === undefined || task.links.length <= 64).toBe(true);
        const percent = task?.progressPercent ?? 0;
        expect(percent >= 0 && percent <= 100).toBe(true);
        readTasks(value, keep);
        readCredits(value);
        const body = Buffer.from(JSON.stringify(value));
        readRefusal({ url: LINK, status: 400, headers: {}, body, isTruncated: false }, value, 'read', {
          clean: keep,
          nowMs: 0,
        });
      }),
      { numRuns: 500 },
    );
  });

  it('whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (body, isTruncated) => {
        parseJsonBody({ body, isTruncated });
      }),
    );
  });
});

it.each([
  ['{"a":1}', true],
  ['\ufeff{"a":1}', true],
  ['', false],
  ['<html>', false],
  ['{"a":', false],
  [`${'['.repeat(64)}${']'.repeat(64)}`, true],
  [`${'['.repeat(65)}${']'.repeat(65)}`, false],
  [JSON.stringify({ a: '['.repeat(500), b: '\\"[{' }), true],
])('%.20s can be read: %s', (text, isReadable) => {
  expect(parseJsonBody({ body: Buffer.from(text), isTruncated: false }).flaw === undefined).toBe(isReadable);
});

it('counts brackets in linear time', () => {
  const body = Buffer.from('[{'.repeat(2_000_000));
  const flaw = expect.stringContaining('nested');
  expect(parseJsonBody({ body, isTruncated: false })).toEqual({ flaw, isOverBound: true });
});
