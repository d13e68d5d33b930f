import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { errorOf, expectEnd, GENERATION, jsonOf, sha256, until, useRig } from '../helpers/rig.ts';

/** Bytes of a clip that takes many writes. */
const LARGE = 6_000_000;
const SHARED_MEMORY = '/dev/shm';
/** Calls that a full or read-only disk refuses. */
const CHANGES = ['open', 'write', 'mkdir', 'link', 'rename', 'fsync'] as const;

/** A disk that is full from some call on. */
const FULL = { mode: 'error', code: 'ENOSPC', sticky: true };
const RECORD = 'tasks/open/20261121-091502-k3f9q2.json';

function visible(folder: string): string[] {
  return readdirSync(folder).filter((name) => !name.startsWith('.'));
}

/** A limit on the size of files: the write that reaches it stops short without an error, the next one fails. */
function limitedTo(kilobytes: number): readonly string[] {
  return ['bash', '--norc', '-c', `ulimit -f ${kilobytes}; exec "$@"`, 'limited'];
}

describe('the state folder fails before the submission: nothing is sent', () => {
  it.each(['EROFS', 'EACCES', 'ENOSPC', 'EIO'] as const)('%s (F45)', async (code) => {
    const rig = await useRig();
    const faults = { mode: 'error', code, at: 1, sticky: true, only: CHANGES, path: '/state/' } as const;
    const result = await rig.generate({ faults });
    expectEnd(rig, result, 11, 0, 0);
    expect(errorOf(result)).toMatchObject({ code: 'local-io', charged: 'no', task_id: null });
    for (const text of [rig.state, 'nothing was sent']) expect(errorOf(result).message).toContain(text);
    expectEnd(rig, await rig.generate(), 0, 1, 1);
  });

  it.each([
    ['a file in the place of the state folder', ''],
    ['a record that cannot be read: nobody knows what is open', RECORD],
  ])('%s (F45)', async (_what, named) => {
    const rig = await useRig();
    if (named === '') rig.write('../state/evolink', 'not a folder');
    else mkdirSync(join(rig.state, named), { recursive: true, mode: 0o700 });
    const result = await rig.generate();
    expectEnd(rig, result, 11, 0, 0);
    expect(errorOf(result)).toMatchObject({ code: 'local-io', charged: 'no' });
    expect(String(errorOf(result).message)).toContain(join(rig.state, named));
    if (named !== '') rmSync(join(rig.state, named), { recursive: true });
  });
});

describe('the state folder fails once the service has taken the task', () => {
  /** The record of the submission is written and named by then; the next change of the journal is the task id. */
  const afterSent = { ...FULL, at: 3, only: ['open', 'rename'], path: '/tasks/open/' };

  it('the id is said, and kept in a file beside the work; the next run finds the task again (F46)', async () => {
    const rig = await useRig({ rate: 5 });
    const result = await rig.generate({ faults: afterSent });
    const task_id = rig.taskId();
    const resume = ['evolink', 'download', task_id];
    expectEnd(rig, result, 11, 1, 1);
    expect(errorOf(result)).toMatchObject({ code: 'local-io', charged: 'yes', task_id, resume });
    const rescue = `evolink-task-${task_id}.json`;
    expect(rig.readJson(rescue)).toMatchObject({ task_id });
    expect(JSON.stringify(errorOf(result).details)).toContain(rig.at(rescue));
    expectEnd(rig, await rig.generate(), 0, 1, 1);
  });

  it('with no task list, the command that the message names saves the clip (F46)', async () => {
    const rig = await useRig({ sandbox: { hasTaskList: false } });
    const result = await rig.generate({ faults: afterSent });
    expect(result.code).toBe(11);
    const command: string[] = jsonOf(result).error.resume.slice(1);
    expectEnd(rig, await rig.run([...command, '-o', 'clip.mp4', '--json']), 0, 1, 1);
  });
});

describe('the disk is full while the clip comes', () => {
  it('keeps what came, says what is missing, does not try again; a later run goes on from there (F47)', async () => {
    const rig = await useRig({ clipBytes: LARGE, sandbox: { faults: 'link:chunked' } });
    const result = await rig.generate({ faults: { ...FULL, at: 2, only: ['write'], path: 'part$' } });
    const task_id = rig.taskId();
    const error = { code: 'local-io', charged: 'yes', task_id, resume: ['evolink', 'download', task_id] };
    expect([result.code, errorOf(result)]).toMatchObject([11, error]);
    expect(`${errorOf(result).message} ${errorOf(result).details}`).toContain('the disk is full');
    const linkReads = () => rig.sandbox.ledger.requests().filter(({ server }) => server === 'link');
    expect(linkReads().length).toBe(1);
    expect(rig.partBytes()).toBeGreaterThan(0);
    expect(visible(rig.work)).toEqual([]);
    expectEnd(rig, await rig.run(`download ${task_id} --json`), 0, 1, 1);
    expect(linkReads().at(-1)?.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it('a real limit that cuts a write short without an error is noticed (F48)', async () => {
    const rig = await useRig({ clipBytes: LARGE });
    expectEnd(rig, await rig.generate({ wrapper: limitedTo(2048) }), 11, 1, 1);
    expect(visible(rig.work)).toEqual([]);
    expectEnd(rig, await rig.generate(), 0, 1, 1);
  });

  it.each([1, 2, 4])('write %i of the clip takes half of its bytes: the file is whole (F48)', async (at) => {
    const rig = await useRig({ clipBytes: LARGE });
    const result = await rig.generate({ faults: { mode: 'short', at, only: ['write'], path: 'part$' } });
    expect(rig.notes().some(({ fired }) => fired === at)).toBe(true);
    expectEnd(rig, result, 0, 1, 1);
  });
});

describe('the output is in the way', () => {
  it('one that appears while an unsent request waits is refused before it is paid for (F49)', async () => {
    const rig = await useRig({ sandbox: { faults: 'submit:429(retry-after=200)' } });
    const running = rig.start(GENERATION);
    await until('it is unsent', () => rig.posts() === 1 && rig.records()[0]?.state === 'intent');
    running.child.kill('SIGKILL');
    await running.done;
    rig.write('clip.mp4', 'mine');
    expectEnd(rig, await rig.generate(), 11, 1, 0);
    expect(rig.read('clip.mp4')).toBe('mine');
  });

  const hasMemory = existsSync(SHARED_MEMORY);
  it.runIf(hasMemory)('on another file system: the part lies beside the target (F51)', async () => {
    const folder = mkdtempSync(join(SHARED_MEMORY, 'evolink-test-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const rig = await useRig({ clipBytes: 200_000, sandbox: { faults: 'link:cut@100000(stall)' } });
    const target = join(folder, 'clip.mp4');
    const running = rig.start([...GENERATION, '-o', target]);
    await until('some of the clip came', () => readdirSync(folder).some((name) => name.endsWith('.part')));
    expect(existsSync(target)).toBe(false);
    expect([(await running.done).code, rig.posts(), rig.charges()]).toEqual([0, 1, 1]);
    expect(readdirSync(folder)).toEqual(['clip.mp4']);
    expect(sha256(readFileSync(target))).toBe(rig.clipSha(rig.taskId()));
  });
});

describe('what the journal costs', () => {
  it('a job waits at most seven times for the disk of its record', async () => {
    const rig = await useRig();
    const faults = { at: 0, mode: 'error', code: 'EIO', only: ['fsync'], path: '/tasks/' } as const;
    expect((await rig.generate({ faults })).code).toBe(0);
    // Sent (the new record), accepted and saved 2 each, with the folder; completed 1.
    expect(rig.notes().find(({ calls }) => calls !== undefined)?.calls).toBe(7);
  });
});
