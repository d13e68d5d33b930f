import { copyFileSync, existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import {
  AS_TEXT,
  errorOf,
  expectEnd,
  expectSaid,
  GENERATION,
  hasWholeClip,
  jsonOf,
  type Rig,
  type RigOptions,
  until,
  useRig,
} from '../helpers/rig.ts';
import type { Line } from '../helpers/spawn-cli.ts';

const EXITS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const SIGNALS = Object.keys(EXITS) as (keyof typeof EXITS)[];

/** Moments in the life of a generation at which somebody may press Ctrl-C: the fault that holds it there, and its record. */
const MOMENTS = {
  'while the submission is throttled': ['submit:429(retry-after=200)', 'intent'],
  'while the task runs': ['task:never', 'accepted'],
  'while the task cannot be read': ['poll:hang*', 'accepted'],
  'while the clip comes': ['link:cut@10000(stall)*', 'completed'],
} as const;

/** A task that ends when the test says so. */
const SLOW = 'task:slow@1000';
const endTasks = (rig: Rig) => rig.sandbox.advanceClock(3_600_000);

/** A command that was started, once it has come so far. */
async function startUntil(rig: Rig, isThere: () => boolean, line: Line = GENERATION) {
  const running = rig.start(line);
  await until('the moment', isThere);
  /** Sends the signal, and waits for the end. */
  const end = (signal: NodeJS.Signals) => {
    running.child.kill(signal);
    return running.done;
  };
  return { running, end };
}

/** A generation on a service with these faults, at a rate at which processes in a row have nearly the same time. */
async function startWith(faults: string, isThere: (rig: Rig) => boolean, line?: Line, options?: RigOptions) {
  const rig = await useRig({ rate: 5, ...options, sandbox: { faults } });
  return { rig, ...(await startUntil(rig, () => isThere(rig), line)) };
}

const isAccepted = (rig: Rig) => rig.records()[0]?.state === 'accepted';
const hasPosted = (rig: Rig) => rig.posts() === 1;
const isIn = (state: 'intent' | 'accepted' | 'completed') => (rig: Rig) => {
  const isThere = {
    intent: hasPosted(rig),
    accepted: rig.polls() > 0,
    completed: rig.partName() !== undefined,
  };
  return rig.records()[0]?.state === state && isThere[state];
};

/** A generation whose clip is on its way, and stops coming after 3 MB of 4. */
const startDownload = () =>
  startWith('link:cut@3000000(stall)', (rig) => rig.partBytes() > 0, GENERATION, { clipBytes: 4_000_000 });

describe('a signal stops the work, not the task', () => {
  const ROWS = SIGNALS.flatMap((signal) =>
    Object.entries(MOMENTS).map(([name, moment]) => [signal, name, ...moment] as const),
  );
  it.each(ROWS)('%s %s: ends by it, names what continues (F53, F54)', async (signal, _, faults, state) => {
    const { rig, end } = await startWith(faults, isIn(state));
    const result = await end(signal);
    expect(result.signal).toBe(signal);
    const [record] = rig.records();
    expect(record).toMatchObject({ state, place: 'open' });
    const isPaid = rig.charges() === 1;
    expect(errorOf(result)).toMatchObject({
      code: 'signal',
      exit: EXITS[signal],
      charged: isPaid ? 'yes' : 'no',
      task_id: record?.taskId ?? null,
      resume: isPaid ? ['evolink', 'resume', record?.taskId] : null,
    });
  });

  it('says to people that the task goes on, and the command that it names continues it', async () => {
    const { rig, end } = await startWith(SLOW, isIn('accepted'), AS_TEXT);
    const { signal, stdout, stderr } = await end('SIGINT');
    expect([signal, stdout]).toEqual(['SIGINT', '']);
    expect(stderr).toContain('keeps running and will be billed');
    const [, line = ''] = /continue with: evolink (.+)/.exec(stderr) ?? [];
    endTasks(rig);
    expectEnd(rig, await rig.run(line), 0, 1, 1);
  });

  it('what was stopped while the clip came goes on where it stopped (F53)', async () => {
    const { rig, end } = await startDownload();
    await end('SIGINT');
    expectEnd(rig, await rig.run('resume --json'), 0, 1, 1);
    expect(rig.sandbox.ledger.requests().at(-1)?.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it.each([
    ['the answer comes in time: the task is known, and named', 'submit:delay@300', 'accepted'],
    ['no answer comes: it is left as sent, and nothing claims that it was not', 'submit:hang(after)', 'sent'],
  ])('during the submission; %s (F53)', async (_what, faults, state) => {
    const { rig, end } = await startWith(faults, hasPosted);
    const result = await end('SIGINT');
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
    expectEnd(rig, await rig.run('resume --json'), 0, 1, 1);
  });

  it('says that it waits for the answer to the submission, and for how long', async () => {
    const { rig, running, end } = await startWith('submit:hang(after)', hasPosted, AS_TEXT);
    const ended = end('SIGINT');
    await running.sees('at most 5 s');
    expectSaid(await ended, null, `evolink resume ${rig.records()[0]?.localId}`, 'may have been submitted');
  });

  /** From a second signal, while the answer to the submission is waited for, to the end of the process. */
  it.each(SIGNALS)('a second %s ends it at once (F53)', async (signal) => {
    // The five seconds that the first signal grants are a day at this rate: who waits for them, hangs.
    const slow = { rate: 0.000_05 };
    const { rig, running, end } = await startWith('submit:hang(after)', hasPosted, AS_TEXT, slow);
    void end(signal);
    await running.sees('at most 5 s');
    const result = await end(signal);
    expect(result.signal).toBe(signal);
    const [record] = rig.records();
    expect(record).toMatchObject({ state: 'sent', place: 'open' });
    expect(result.stderr).toContain(`evolink resume ${record?.localId}`);
  });
});

describe('killed while something is under way (F52)', () => {
  it('while the clip comes: the rest is fetched, under the version that was begun', async () => {
    const { rig, end } = await startDownload();
    await end('SIGKILL');
    expect(readdirSync(rig.work).filter((name) => !name.startsWith('.'))).toEqual([]);
    expectEnd(rig, await rig.generate(), 0, 1, 1);
  });

  const FLAGS = ['--json', '--overwrite', '--skip-existing'];
  it.each(FLAGS)('right after the clip was recorded as saved: %s finds it', async (flag) => {
    const rig = await useRig();
    const faults = { mode: 'kill', when: 'before', at: 1, only: ['unlink'], path: 'part\\.json$' };
    expect((await rig.run([...GENERATION, flag], { faults })).signal).toBe('SIGKILL');
    expect(rig.records()).toMatchObject([{ state: 'saved' }]);
    const again = await rig.run([...GENERATION, flag]);
    expectEnd(rig, again, 0, 1, 1);
    expect([jsonOf(again).path, readdirSync(rig.work)]).toEqual([rig.at('clip.mp4'), ['clip.mp4']]);
  });

  it.each([
    ['while the task runs: continued by id alone', SLOW, true],
    ['while the task cannot be read: continued by id alone', 'poll:hang', true],
    ['while the task runs: continued by `resume`', SLOW, false],
  ])('%s', async (_what, faults, isById) => {
    const { rig, end } = await startWith(faults, isIn('accepted'));
    await end('SIGKILL');
    endTasks(rig);
    expectEnd(rig, await rig.run(`resume ${isById ? rig.taskId() : ''} --json`), 0, 1, 1);
  });
});

describe('two processes with the same request', () => {
  it('one buys, the other leaves and says who has it (F55)', async () => {
    const { rig, running } = await startWith('task:slow@100', isAccepted);
    const second = await rig.generate();
    expect(second.code).toBe(12);
    expect(errorOf(second)).toMatchObject({
      code: 'locked',
      charged: 'no',
      retryable: true,
      task_id: rig.taskId(),
      message: expect.stringContaining(`process ${running.child.pid} on host "${hostname()}"`),
      hint: expect.stringContaining('evolink status'),
      resume: ['evolink', 'resume', rig.taskId()],
    });
    endTasks(rig);
    expectEnd(rig, await running.done, 0, 1, 1);
  });

  it('started at the same moment, four times: one buys (F55)', async () => {
    const rig = await useRig({ rate: 5, sandbox: { faults: 'task:slow@100' } });
    const results = await Promise.all([1, 2, 3, 4].map(() => rig.generate({ asProcess: true })));
    // One that comes when all is done finds the clip.
    expect(results.filter(({ code }) => code !== 12).length).toBeGreaterThan(0);
    for (const { code } of results) expect([0, 12]).toContain(code);
    expect([rig.posts(), rig.charges(), hasWholeClip(rig)]).toEqual([1, 1, true]);
  });

  it.each([
    ['where it was told to', 'task:slow@200', GENERATION],
    ['for an upload that takes long', 'upload:delay@8', 'i2v zoom -i a.png -d 4 -q 480p -o clip.mp4 --json'],
  ])('the second waits %s, and gives the clip of the first (F55)', async (_what, faults, line) => {
    const rig = await useRig({ rate: 5, sandbox: { faults } });
    rig.writeConfig('lock_timeout: 5m\n');
    copyFileSync(fixture('png.png'), rig.at('a.png'));
    const hasBegun = () => (line === GENERATION ? rig.charges() === 1 : existsSync(join(rig.state, 'locks')));
    const { running } = await startUntil(rig, hasBegun, line);
    expectEnd(rig, await rig.run(line), 0, 1, 1);
    expectEnd(rig, await running.done, 0, 1, 1);
  });
});

describe('what others have left', () => {
  it('the lock of a dead process is taken over (F56)', async () => {
    const { rig, end } = await startWith(SLOW, isAccepted);
    await end('SIGKILL');
    const locks = () => readdirSync(join(rig.state, 'locks'));
    expect(locks().length).toBeGreaterThan(0);
    endTasks(rig);
    expectEnd(rig, await rig.generate(), 0, 1, 1);
    expect(locks()).toEqual([]);
  });

  it('temporary files of processes that were killed go from the folder of the clip', async () => {
    const rig = await useRig();
    const [stale, fresh] = ['.evolink-00112233445566ff.tmp', '.evolink-aabbccddeeff0011.tmp'] as const;
    for (const name of [stale, fresh]) rig.write(name, '');
    utimesSync(rig.at(stale), new Date(0), new Date(0));
    expect((await rig.generate()).code).toBe(0);
    expect(readdirSync(rig.work).sort()).toEqual([fresh, 'clip.mp4']);
  });
});

/** Runs the program as "$@" in a line of bash. */
const shell = (script: string) => ({ wrapper: ['bash', '--norc', '-c', script, 'bash'] });

describe('nobody reads what is said', () => {
  const STREAMS = ['stdout', 'stderr', 'stdout and stderr'];
  it.each(STREAMS)('%s closed from the start: the clip is saved all the same (F57)', async (which) => {
    const rig = await useRig({ sandbox: { faults: 'task:slow@20' } });
    const running = rig.start([...AS_TEXT, '--verbose']);
    for (const name of ['stdout', 'stderr'] as const) if (which.includes(name)) running.child[name].destroy();
    const result = await running.done;
    expectEnd(rig, result, 0, 1, 1);
    expect(result.stderr).not.toMatch(/EPIPE|\n\s+at /);
    expect(rig.records()).toMatchObject([{ state: 'saved', place: 'closed' }]);
  });

  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: they are meant for the shell
  const EVENTS = [...AS_TEXT, '--events'];
  it.each([
    ['a reader that leaves after the first line', EVENTS, 'set -o pipefail; "$@" | head -1', /^\{.*\}\n$/],
    ['a reader that has gone', AS_TEXT, '"$@" 2>/dev/null | true; exit ${PIPESTATUS[0]}', /^$/],
    ['closed stderr leaves the path on stdout', AS_TEXT, '"$@" 2>&-', /^\S+clip\.mp4\n$/],
    ['closed stdout', AS_TEXT, '"$@" >&-', /^$/],
  ])('%s: does not keep the clip from being saved (F57)', async (_what, line, script, stdout) => {
    const rig = await useRig();
    const result = await rig.run(line, shell(script));
    expectEnd(rig, result, 0, 1, 1);
    expect(result.stdout).toMatch(stdout);
    expect(result.stderr).not.toContain('EPIPE');
  });

  it('`| head -1` gets its line, and nothing is said of pipes; errors keep their exit', async () => {
    const rig = await useRig();
    const page = await rig.run('help environment', shell('"$@" | head -1; exit ${PIPESTATUS[0]}'));
    expect(page).toMatchObject({ code: 0, stdout: 'ENVIRONMENT VARIABLES\n', stderr: '' });
    expectSaid(await rig.run('t2v frog -d 99', shell('"$@" >&-')), 2, '--duration "99"');
    expect((await rig.run('t2v frog -d 99', shell('"$@" 2>&-'))).code).toBe(2);
  });
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: they are meant for the shell

  it('five megabytes of JSON through a slow pipe arrive whole (F58)', async () => {
    const rig = await useRig({ sandbox: { faults: 'submit:reset(read)', hasTaskList: false } });
    expect((await rig.generate()).code).toBe(8);
    const folder = join(rig.state, 'tasks', 'open');
    const [name = ''] = readdirSync(folder);
    const record = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    for (let index = 0; index < 130; index += 1) {
      const localId = `20261121-091502-${String(index).padStart(6, '0')}`;
      const body = { ...record.body, prompt: `${index} `.padEnd(40_000, 'a frog ') };
      writeFileSync(join(folder, `${localId}.json`), JSON.stringify({ ...record, local_id: localId, body }));
    }
    const result = await rig.run('status --json', shell('"$@" | { sleep 0.3; cat; }'));
    expect(result.stdoutBytes.length).toBeGreaterThan(5_000_000);
    expect(jsonOf(result).tasks.length).toBe(131);
  });
});
