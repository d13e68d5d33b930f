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

/** A service that would take any request, and a job that is to continue one of the records. */
async function attach(records: readonly TaskRecord[], localId: string) {
  const setup = await setUpGenerate({ readings: [{ status: 'processing' }] });
  for (const each of records) {
    await setup.deps.journal.create({ ...each, state: 'accepted' });
    if (each.state === 'saved' || each.state === 'expired')
      await setup.deps.journal.update(each.localId, { state: 'completed' });
    if (each.state !== 'accepted') await setup.deps.journal.update(each.localId, { state: each.state });
  }
  const outcome = await generate(setup.deps, PRICED, {
    output: HERE,
    hasSidecar: true,
    attachTo: { localId, identity: OLD_NAME },
    isWaiting: true,
    waitTimeoutMs: 0,
    signal: new AbortController().signal,
    onRecord: () => undefined,
  }).catch((error: unknown) => error);
  return { ...setup, outcome };
}

describe('a job that continues a record of another place', () => {
  it('takes that very record, moved here, of several of one name', async () => {
    const older = record({});
    const newer = record({ localId: '20261121-101502-zzzzzz', taskId: 'task-unified-1774857406-def456' });
    const { outcome, api, deps } = await attach([older, newer], older.localId);
    expect(outcome).toMatchObject({ kind: 'pending', facts: { taskId: TASK } });
    expect(api.submits).toEqual([]);
    expect(await deps.journal.find(older.localId)).toMatchObject({ output: HERE, hasSidecar: true });
    expect(await deps.journal.find(newer.localId)).toMatchObject({ output: THERE });
  });

  it.each(['saved', 'failed', 'expired'] as const)('buys nothing where it is %s by then', async (state) => {
    const ended = record({
      state,
      saved: [{ path: '/videos/there.mp4', sizeBytes: 1, sha256: 'a', atMs: 1 }],
    });
    const { outcome, api } = await attach([ended], ended.localId);
    expect(outcome).toMatchObject({ kind: 'locked', facts: { charged: 'no' } });
    expect(api.submits).toEqual([]);
  });

  it('is answered by what was saved here by then', async () => {
    const saved = [{ path: '/videos/here.mp4', sizeBytes: 1, sha256: 'a', atMs: 1 }];
    const ended = record({ state: 'saved', output: HERE, saved });
    const { outcome, api } = await attach([ended], ended.localId);
    expect(outcome).toMatchObject({ path: '/videos/here.mp4', task_id: TASK });
    expect(api.submits).toEqual([]);
  });
});
