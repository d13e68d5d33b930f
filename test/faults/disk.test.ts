import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { errorOf, expectEnd, GENERATION, sha256, until, useRig } from '../helpers/rig.ts';

/** Bytes of a clip that takes many writes. */
const LARGE = 6_000_000;
const SHARED_MEMORY = '/dev/shm';
/** Calls that a full or read-only disk refuses. */
const CHANGES = ['open', 'write', 'mkdir', 'link', 'rename', 'fsync'] as const;

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
    expect(String(errorOf(result).message)).toContain(rig.state);
    expect(String(errorOf(result).message)).toContain('nothing was sent');
    expect((await rig.generate()).code).toBe(0);
    expect([rig.posts(), rig.charges()]).toEqual([1, 1]);
  });

  it.each([
    ['a file in the place of the state folder', (state: string) => writeFileSync(state, 'not a folder'), ''],
    [
      'a record that cannot be read: nobody knows what is open',
      (state: string) => mkdirSync(join(state, RECORD), { recursive: true, mode: 0o700 }),
      RECORD,
    ],
  ])('%s (F45)', async (_what, plant, named) => {
    const rig = await useRig();
    mkdirSync(join(rig.folder, 'state'));
    plant(rig.state);
    const result = await rig.generate();
    expectEnd(rig, result, 11, 0, 0);
    expect(errorOf(result)).toMatchObject({ code: 'local-io', charged: 'no' });
    expect(String(errorOf(result).message)).toContain(join(rig.state, named));
    if (named !== '') rmSync(join(rig.state, named), { recursive: true });
  });
});

describe('the state folder fails once the service has taken the task', () => {
  /** The record of the submission is written and named by then; the next change of the journal is the task id. */
  const afterSent = {
    at: 3,
    mode: 'error',
    code: 'ENOSPC',
    sticky: true,
    only: ['open', 'rename'],
    path: '/tasks/open/',
  };

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
    const { resume } = errorOf(result);
    expect(result.code).toBe(11);
    expect(Array.isArray(resume)).toBe(true);
    const command = Array.isArray(resume) ? resume.slice(1).map(String) : [];
    expectEnd(rig, await rig.run([...command, '-o', 'clip.mp4', '--json']), 0, 1, 1);
  });
});

describe('the disk is full while the clip comes', () => {
  it('keeps what came, says what is missing, does not try again; a later run goes on from there (F47)', async () => {
    const rig = await useRig({ clipBytes: LARGE, sandbox: { faults: 'link:chunked' } });
    const faults = { mode: 'error', code: 'ENOSPC', at: 2, sticky: true, only: ['write'], path: 'part$' };
    const result = await rig.generate({ faults });
    const task_id = rig.taskId();
    const resume = ['evolink', 'download', task_id];
    expect(result.code).toBe(11);
    expect(errorOf(result)).toMatchObject({ code: 'local-io', charged: 'yes', task_id, resume });
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

  it.each([1, 2, 4])(
    'write %i of the clip takes half of its bytes: the file is whole all the same (F48)',
    async (at) => {
      const rig = await useRig({ clipBytes: LARGE });
      const result = await rig.generate({ faults: { mode: 'short', at, only: ['write'], path: 'part$' } });
      expect(rig.notes().some(({ fired }) => fired === at)).toBe(true);
      expectEnd(rig, result, 0, 1, 1);
    },
  );
});

describe('the output is in the way', () => {
  it('one that appears while an unsent request waits is refused before it is paid for (F49)', async () => {
    const rig = await useRig({ sandbox: { faults: 'submit:429(retry-after=200)' } });
    const running = rig.start(GENERATION);
    await until('it is unsent', () => rig.posts() === 1 && rig.records()[0]?.state === 'intent');
    running.child.kill('SIGKILL');
    await running.done;
    writeFileSync(rig.at('clip.mp4'), 'mine');
    const result = await rig.generate();
    expect([result.code, rig.posts(), rig.charges()]).toEqual([11, 1, 0]);
    expect(readFileSync(rig.at('clip.mp4'), 'utf8')).toBe('mine');
  });

  it.skipIf(!existsSync(SHARED_MEMORY))(
    'a folder on another file system than the temporary one: the part lies beside the target (F51)',
    async () => {
      const folder = mkdtempSync(join(SHARED_MEMORY, 'evolink-test-'));
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      const rig = await useRig({ clipBytes: 200_000, sandbox: { faults: 'link:cut@100000(stall)' } });
      const target = join(folder, 'clip.mp4');
      const running = rig.start(GENERATION.map((arg) => (arg === 'clip.mp4' ? target : arg)));
      await until('some of the clip came', () => readdirSync(folder).some((name) => name.endsWith('.part')));
      expect(existsSync(target)).toBe(false);
      expect([(await running.done).code, rig.posts(), rig.charges()]).toEqual([0, 1, 1]);
      expect(readdirSync(folder)).toEqual(['clip.mp4']);
      expect(sha256(readFileSync(target))).toBe(rig.clipSha(rig.taskId()));
    },
  );
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
