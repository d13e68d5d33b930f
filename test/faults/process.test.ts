import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { errorOf, expectEnd, GENERATION, hasWholeClip, type Rig, until, useRig } from '../helpers/rig.ts';
import type { RunningCli } from '../helpers/spawn-cli.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const EXITS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const AS_TEXT = GENERATION.filter((arg) => arg !== '--json');

/** A moment in the life of a generation at which somebody may press Ctrl-C. */
interface Moment {
  readonly faults: string;
  readonly isThere: (rig: Rig) => boolean;
  readonly state: string;
}

/** A generation whose clip is on its way, and stops coming after 3 MB of 4. */
async function startDownload(): Promise<{ readonly rig: Rig; readonly running: RunningCli }> {
  const rig = await useRig({
    rate: 5,
    clipBytes: 4_000_000,
    sandbox: { faults: 'link:cut@3000000(stall)' },
  });
  const running = rig.start(GENERATION);
  await until('bytes came', () => rig.partBytes() > 0);
  return { rig, running };
}

const polls = (rig: Rig): number => rig.sandbox.ledger.count('GET', '/v1/tasks/');
const MOMENTS: Readonly<Record<string, Moment>> = {
  'while the submission is throttled': {
    faults: 'submit:429(retry-after=200)',
    isThere: (rig) => rig.posts() === 1 && rig.records()[0]?.state === 'intent',
    state: 'intent',
  },
  'while the task runs': {
    faults: 'task:never',
    isThere: (rig) => polls(rig) > 0,
    state: 'accepted',
  },
  'while the task cannot be read': {
    faults: 'poll:hang*',
    isThere: (rig) => polls(rig) > 0,
    state: 'accepted',
  },
  'while the clip comes': {
    faults: 'link:cut@10000(stall)*',
    isThere: (rig) => readdirSync(rig.work).some((name) => name.endsWith('.part')),
    state: 'completed',
  },
};

async function startUntil(rig: Rig, { isThere }: Moment, args = GENERATION): Promise<RunningCli> {
  const running = rig.start(args);
  await until('the moment', () => isThere(rig));
  return running;
}

describe('a signal stops the work, not the task', () => {
  it.each(
    Object.entries(MOMENTS).flatMap(([name, moment]) =>
      SIGNALS.map((signal) => [signal, name, moment] as const),
    ),
  )(
    '%s %s: ends by the signal, names the command that continues (F53, F54)',
    async (signal, _name, moment) => {
      const rig = await useRig({ rate: 5, sandbox: { faults: moment.faults } });
      const running = await startUntil(rig, moment);
      running.child.kill(signal);
      const result = await running.done;
      expect(result.signal).toBe(signal);
      const [record] = rig.records();
      expect(record).toMatchObject({ state: moment.state, place: 'open' });
      const isPaid = rig.charges() === 1;
      expect(errorOf(result)).toMatchObject({
        code: 'signal',
        exit: EXITS[signal],
        charged: isPaid ? 'yes' : 'no',
        task_id: record?.taskId ?? null,
        resume: isPaid ? ['evolink', 'resume', record?.taskId] : null,
      });
    },
  );

  it('what was stopped while the clip came goes on where it stopped (F53)', async () => {
    const { rig, running } = await startDownload();
    running.child.kill('SIGINT');
    await running.done;
    const again = await rig.run(['resume', '--json']);
    expect([again.code, rig.posts(), rig.charges()]).toEqual([0, 1, 1]);
    expect(rig.sandbox.ledger.requests().at(-1)?.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(hasWholeClip(rig)).toBe(true);
  });

  it.each([
    ['the answer comes in time: the task is known, and named', 'submit:delay@300', 'accepted'],
    [
      'no answer comes: the request is left as sent, and nothing claims that it was not',
      'submit:hang(after)',
      'sent',
    ],
  ])('during the submission; %s (F53)', async (_what, faults, state) => {
    const rig = await useRig({ rate: 5, sandbox: { faults } });
    const running = rig.start(GENERATION);
    await until('the request came', () => rig.posts() === 1);
    running.child.kill('SIGINT');
    const result = await running.done;
    expect(result.signal).toBe('SIGINT');
    const [record] = rig.records();
    expect(record).toMatchObject({ state, place: 'open' });
    const isKnown = state === 'accepted';
    expect(errorOf(result)).toMatchObject({
      code: 'signal',
      charged: isKnown ? 'yes' : 'unknown',
      local_id: record?.localId,
      resume: ['evolink', 'resume', isKnown ? record?.taskId : record?.localId],
    });
    const again = await rig.run(['resume', '--json']);
    expectEnd(rig, again, 0, 1, 1);
  });

  it('says that it waits for the answer to the submission, and for how long', async () => {
    const rig = await useRig({ rate: 5, sandbox: { faults: 'submit:hang(after)' } });
    const running = rig.start(AS_TEXT);
    await until('the request came', () => rig.posts() === 1);
    running.child.kill('SIGINT');
    await running.sees('at most 5 s');
    const { stderr } = await running.done;
    expect(stderr).toContain(`evolink resume ${rig.records()[0]?.localId}`);
    expect(stderr).toContain('may have been submitted');
  });

  /** From a second signal, while the answer to the submission is waited for, to the end of the process. */
  it.each(SIGNALS)('a second %s ends it at once (F53)', async (signal) => {
    // The five seconds that the first signal grants are a day at this rate: who waits for them, hangs.
    const rig = await useRig({ rate: 0.000_05, sandbox: { faults: 'submit:hang(after)' } });
    const running = rig.start(AS_TEXT);
    await until('the request came', () => rig.posts() === 1);
    running.child.kill(signal);
    await running.sees('at most 5 s');
    running.child.kill(signal);
    expect((await running.done).signal).toBe(signal);
    expect(rig.records()).toMatchObject([{ state: 'sent', place: 'open' }]);
  });
});

describe('killed while something is under way (F52)', () => {
  it('while the clip comes: the rest is fetched, under the version that was begun', async () => {
    const { rig, running } = await startDownload();
    running.child.kill('SIGKILL');
    await running.done;
    expect(readdirSync(rig.work).filter((name) => !name.startsWith('.'))).toEqual([]);
    const again = await rig.generate();
    expectEnd(rig, again, 0, 1, 1);
  });

  it.each([[], ['--overwrite'], ['--skip-existing']])(
    'right after the clip was recorded as saved: the same command finds it, with %j too',
    async (...flags) => {
      const rig = await useRig();
      const faults = { mode: 'kill', when: 'before', at: 1, only: ['unlink'], path: 'part\\.json$' } as const;
      const killed = await rig.run([...GENERATION, ...flags], { faults });
      expect(killed.signal).toBe('SIGKILL');
      expect(rig.records()).toMatchObject([{ state: 'saved' }]);
      const again = await rig.run([...GENERATION, ...flags]);
      expect([again.code, rig.posts(), rig.charges()]).toEqual([0, 1, 1]);
      expect(JSON.parse(again.stdout).path).toBe(rig.clipPath());
      expect(readdirSync(rig.work)).toEqual(['clip.mp4']);
      expect(hasWholeClip(rig)).toBe(true);
    },
  );

  it.each(['while the task runs', 'while the task cannot be read'])(
    '%s: continued by id alone',
    async (name) => {
      const moment = MOMENTS[name];
      if (moment === undefined) throw new Error(name);
      const faults = moment.faults.replace('task:never', 'task:slow@40').replace('*', '');
      const rig = await useRig({ rate: 5, sandbox: { faults } });
      const running = await startUntil(rig, moment);
      running.child.kill('SIGKILL');
      await running.done;
      const again = await rig.run(['resume', rig.sandbox.ledger.charges()[0]?.taskId ?? '', '--json']);
      expectEnd(rig, again, 0, 1, 1);
    },
  );
});

describe('two processes with the same request', () => {
  it('one buys, the other leaves and says who has it (F55)', async () => {
    const rig = await useRig({ rate: 5, sandbox: { faults: 'task:slow@100' } });
    const first = rig.start(GENERATION);
    await until('the first has its task', () => rig.records()[0]?.state === 'accepted');
    const second = await rig.generate();
    expect(second.code).toBe(12);
    const taskId = rig.sandbox.ledger.charges()[0]?.taskId;
    expect(errorOf(second)).toMatchObject({
      code: 'locked',
      charged: 'no',
      retryable: true,
      task_id: taskId,
      hint: expect.stringContaining('evolink status'),
      resume: ['evolink', 'resume', taskId],
    });
    expect(String(errorOf(second).message)).toContain(`process ${first.child.pid} on host "${hostname()}"`);
    const result = await first.done;
    expectEnd(rig, result, 0, 1, 1);
  });

  it('started at the same moment, four times: one buys (F55)', async () => {
    const rig = await useRig({ rate: 5, sandbox: { faults: 'task:slow@100' } });
    const results = await Promise.all([1, 2, 3, 4].map(() => rig.generate({ asProcess: true })));
    const codes = results.map(({ code }) => code);
    expect(codes).toContain(0);
    // One that comes when all is done finds the clip.
    expect(codes.every((code) => code === 0 || code === 12)).toBe(true);
    expect([rig.posts(), rig.charges()]).toEqual([1, 1]);
    expect(hasWholeClip(rig)).toBe(true);
  });

  it('the second waits where it was told to, and then gives the clip of the first (F55)', async () => {
    const rig = await useRig({ rate: 5, sandbox: { faults: 'task:slow@40' } });
    const first = rig.start(GENERATION);
    await until('the first has its task', () => rig.records()[0]?.state === 'accepted');
    mkdirSync(join(rig.folder, 'config', 'evolink'), { recursive: true });
    writeFileSync(join(rig.folder, 'config', 'evolink', 'config.yaml'), 'lock_timeout: 1m\n', {
      mode: 0o600,
    });
    const second = await rig.generate();
    expect((await first.done).code).toBe(0);
    expect(second.code).toBe(0);
    expect([rig.posts(), rig.charges()]).toEqual([1, 1]);
  });
});

describe('two at once that upload first', () => {
  it('the second waits for an upload that takes long, and gives the clip of the first (F55)', async () => {
    const rig = await useRig({ rate: 5, sandbox: { faults: 'upload:delay@8' } });
    mkdirSync(join(rig.folder, 'config', 'evolink'), { recursive: true });
    writeFileSync(join(rig.folder, 'config', 'evolink', 'config.yaml'), 'lock_timeout: 5m\n', {
      mode: 0o600,
    });
    copyFileSync(fixture('png.png'), join(rig.work, 'first.png'));
    const words = ['i2v', 'zoom in', '-i', 'first.png', ...GENERATION.slice(2)];
    const first = rig.start(words);
    await until('the first has its lock', () => existsSync(join(rig.state, 'locks')));
    const second = await rig.run(words);
    expect([(await first.done).code, second.code]).toEqual([0, 0]);
    expect([rig.posts(), rig.charges()]).toEqual([1, 1]);
  });
});

describe('what others have left', () => {
  it('the lock of a dead process is taken over (F56)', async () => {
    const rig = await useRig({ rate: 5, sandbox: { faults: 'task:slow@40' } });
    const running = rig.start(GENERATION);
    await until('the task was made', () => polls(rig) > 0 || rig.records()[0]?.state === 'accepted');
    running.child.kill('SIGKILL');
    await running.done;
    expect(readdirSync(join(rig.state, 'locks')).length).toBeGreaterThan(0);
    const again = await rig.generate();
    expect([again.code, rig.posts(), rig.charges()]).toEqual([0, 1, 1]);
    expect(readdirSync(join(rig.state, 'locks'))).toEqual([]);
  });

  it('temporary files of processes that were killed go from the folder of the clip', async () => {
    const rig = await useRig();
    const stale = join(rig.work, '.evolink-00112233445566ff.tmp');
    writeFileSync(stale, '');
    utimesSync(stale, new Date(0), new Date(0));
    writeFileSync(join(rig.work, '.evolink-aabbccddeeff0011.tmp'), '');
    expect((await rig.generate()).code).toBe(0);
    expect(readdirSync(rig.work).sort()).toEqual(['.evolink-aabbccddeeff0011.tmp', 'clip.mp4']);
  });
});

describe('nobody reads what is said', () => {
  it.each([
    ['stdout', true, false],
    ['stderr', false, true],
    ['both', true, true],
  ])('%s is closed from the start: the clip is saved all the same (F57)', async (_what, isOut, isErr) => {
    const rig = await useRig({ sandbox: { faults: 'task:slow@20' } });
    const running = rig.start([...AS_TEXT, '--verbose']);
    if (isOut) running.child.stdout?.destroy();
    if (isErr) running.child.stderr?.destroy();
    const result = await running.done;
    expect([result.code, rig.posts(), rig.charges()]).toEqual([0, 1, 1]);
    expect(result.stderr).not.toMatch(/EPIPE|\n\s+at /);
    expect(rig.records()).toMatchObject([{ state: 'saved', place: 'closed' }]);
    expect(hasWholeClip(rig)).toBe(true);
  });

  it('a reader that leaves after the first line (F57)', async () => {
    const rig = await useRig();
    const result = await rig.start([...GENERATION.filter((arg) => arg !== '--json'), '--events'], {
      wrapper: ['bash', '--norc', '-c', 'set -o pipefail; "$@" | head -1', 'piped'],
    }).done;
    expectEnd(rig, result, 0, 1, 1);
  });

  it('five megabytes of JSON through a slow pipe arrive whole (F58)', async () => {
    const rig = await useRig({ sandbox: { faults: 'submit:reset(read)', hasTaskList: false } });
    expect((await rig.generate()).code).toBe(8);
    const folder = join(rig.state, 'tasks', 'open');
    const [name = ''] = readdirSync(folder);
    const record = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    for (let index = 0; index < 1_300; index += 1) {
      const localId = `20261121-091502-${String(index).padStart(6, '0')}`;
      const body = { ...record.body, prompt: `${index} `.padEnd(4_000, 'a frog ') };
      writeFileSync(join(folder, `${localId}.json`), JSON.stringify({ ...record, localId, body }));
    }
    const running = rig.start(['status', '--json'], {
      wrapper: ['bash', '--norc', '-c', '"$@" | { sleep 0.3; cat; }', 'slow'],
    });
    const { stdout, stdoutBytes } = await running.done;
    expect(stdoutBytes.length).toBeGreaterThan(5_000_000);
    expect(JSON.parse(stdout).tasks.length).toBe(1_301);
  });
});
