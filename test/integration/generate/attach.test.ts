import { describe, expect, it } from 'vitest';
import { fingerprint } from '../../../src/request/fingerprint.ts';
import { generate } from '../../../src/task/generate.ts';
import type { TaskRecord } from '../../../src/task/record.ts';
import { requestIdentity } from '../../../src/task/record.ts';
import { setUpGenerate } from '../../helpers/generate-setup.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';

const body = { model: 'seedance-2.0-text-to-video', prompt: 'a glass frog on a leaf', duration: 5 };
const print = fingerprint(body);
const PRICED = {
  request: { operation: 't2v' as const, body },
  fingerprint: print,
  estimate: {},
  media: { local: [] },
};
const HERE = { kind: 'file', folder: '/videos', pattern: 'here.mp4', onExisting: 'refuse' } as const;
const THERE = { ...HERE, pattern: 'there.mp4' };
const OLD_NAME = requestIdentity({ fingerprint: print, output: THERE });

const TASK = 'task-unified-1774857405-abc123';
const record = (fields: Partial<TaskRecord>) =>
  sampleRecord({
    identity: OLD_NAME,
    fingerprint: print,
    output: THERE,
    state: 'accepted',
    taskId: TASK,
    ...fields,
  });

/** A service that would take any request, and a job that is to continue the first of the records. */
async function attach(...records: [TaskRecord, ...TaskRecord[]]) {
  const { deps, api } = await setUpGenerate({ readings: [{ status: 'processing' }] });
  for (const each of records) await deps.journal.create(each);
  const [{ localId }] = records;
  const outcome = await generate(deps, PRICED, {
    output: HERE,
    hasSidecar: true,
    attachTo: { localId, identity: OLD_NAME },
    isWaiting: true,
    waitTimeoutMs: 0,
    signal: new AbortController().signal,
    onRecord: () => undefined,
  }).catch((error: unknown) => error);
  expect(api.submits).toEqual([]);
  return { outcome, find: deps.journal.find };
}

describe('a job that continues a record of another place', () => {
  it('takes that very record, moved here, of several of one name', async () => {
    const newer = record({ localId: '20261121-101502-zzzzzz', taskId: 'task-unified-1774857406-def456' });
    const { outcome, find } = await attach(record({}), newer);
    expect(outcome).toMatchObject({ kind: 'pending', facts: { taskId: TASK } });
    expect(await find(record({}).localId)).toMatchObject({ output: HERE, hasSidecar: true });
    expect(await find(newer.localId)).toMatchObject({ output: THERE });
  });

  const saved = [{ path: '/videos/here.mp4', sizeBytes: 1, sha256: 'a', atMs: 1 }];
  const nothing = { kind: 'locked', facts: { charged: 'no' } };
  it.each<[Partial<TaskRecord>, object]>([
    [{ state: 'saved', saved }, nothing],
    [{ state: 'failed' }, nothing],
    [{ state: 'expired' }, nothing],
    [
      { state: 'saved', saved, output: HERE },
      { path: '/videos/here.mp4', task_id: TASK },
    ],
  ])('buys nothing where it has ended by then: %j', async (fields, expected) => {
    expect((await attach(record(fields))).outcome).toMatchObject(expected);
  });
});
