import { describe, expect, it } from 'vitest';
import { findRefusedPort, serveRaw } from '../helpers/raw-server.ts';
import {
  AS_TEXT,
  CANARY_KEY,
  errorOf,
  eventsOf,
  expectEnd,
  expectSaid,
  GENERATION,
  hasWholeClip,
  type Rig,
  type RigOptions,
  until,
  useRig,
} from '../helpers/rig.ts';
import type { CliResult } from '../helpers/spawn-cli.ts';

/** A service that offers no way to look for a lost task. */
const withoutList = (faults: string) => ({ sandbox: { hasTaskList: false, faults } });

/** What an uncertain outcome must look like, now and for every later run. */
function expectUnknown(rig: Rig, result: CliResult): void {
  expect(result.code).toBe(8);
  const [record] = rig.records();
  expect(record).toMatchObject({ place: 'open' });
  expect(['unknown', 'sent']).toContain(record?.state);
  const error = errorOf(result);
  const known = { code: 'unknown', exit: 8, charged: 'unknown', retryable: false, local_id: record?.localId };
  expect(error).toMatchObject({ ...known, resume: ['evolink', 'resume', record?.localId] });
  const details = JSON.stringify(error.details);
  expect(details).toContain(`evolink resume --resubmit ${record?.localId}`);
  expect(details).toContain('may have been charged');
}

describe('nothing has left: the submission may be repeated', () => {
  it('a name that does not resolve twice is looked up again (F01)', async () => {
    const rig = await useRig();
    const env = { EVOLINK_BASE_URL: rig.sandbox.apiUrl.replace('127.0.0.1', 'localhost') };
    const result = await rig.generate({ faults: { dns: 2 }, env });
    expect(rig.notes().filter(({ name }) => name === 'lookup').length).toBe(2);
    expectEnd(rig, result, 0, 1, 1);
  });

  it('a refused connection is tried three times, then the request is closed unsent (F02)', async () => {
    const rig = await useRig();
    const env = { EVOLINK_BASE_URL: `http://127.0.0.1:${await findRefusedPort()}` };
    const result = await rig.run([...AS_TEXT, '--events'], { env });
    const events = eventsOf(result);
    expect(result.code).toBe(6);
    expect(events.filter(({ event }) => event === 'submitting').length).toBe(3);
    expect(events.at(-1)).toMatchObject({ error: { code: 'network', charged: 'no', retryable: true } });
    expect(rig.records()).toMatchObject([{ state: 'rejected', place: 'closed' }]);
    expect(rig.posts()).toBe(0);
    const again = await rig.generate();
    expect([again.code, rig.charges()]).toEqual([0, 1]);
  });

  it('a certificate that nobody vouches for ends it at once, naming the host (F03)', async () => {
    const rig = await useRig();
    const server = await serveRaw(() => undefined, { tls: true });
    const result = await rig.generate({ env: { EVOLINK_BASE_URL: server.origin } });
    expect(result.code).toBe(6);
    expect(errorOf(result)).toMatchObject({ code: 'network', charged: 'no', retryable: false });
    expect(String(errorOf(result).message)).toContain(`127.0.0.1:${server.port}`);
    expect(server.allReceived()).toBe('');
  });

  it.each([
    [407, 'Proxy Authentication Required'],
    [502, 'Bad Gateway'],
  ])('a proxy that answers %i gets no request, and its password is not shown (F14)', async (status, text) => {
    const rig = await useRig();
    const proxy = await serveRaw((connection) => connection.finish(`HTTP/1.1 ${status} ${text}\r\n\r\n`));
    const HTTPS_PROXY = `http://someone:proxy-secret-5521@127.0.0.1:${proxy.port}`;
    // Reserved by RFC 2606: there is nothing that this could reach without the proxy.
    const env = { EVOLINK_BASE_URL: 'https://api.evolink.test', HTTPS_PROXY };
    const result = await rig.generate({ env });
    expect([result.code, errorOf(result)]).toMatchObject([6, { code: 'network', charged: 'no' }]);
    expect(proxy.allReceived()).toContain('CONNECT api.evolink.test:443');
    expect(proxy.allReceived()).not.toContain(CANARY_KEY);
    expect(result.stdout + result.stderr).not.toContain('proxy-secret-5521');
  });
});

describe('the service says that it did not take it', () => {
  it('429 is waited out for as long as it asks, then sent again (F08)', async () => {
    const rate = 20;
    const rig = await useRig({ rate, sandbox: { faults: 'submit:429(retry-after=1)' } });
    const result = await rig.generate();
    expect([result.code, rig.posts(), rig.charges()]).toEqual([0, 2, 1]);
    const [first, second] = rig.sandbox.ledger.requests().filter(({ method }) => method === 'POST');
    expect(((second?.atMs ?? 0) - (first?.atMs ?? 0)) * rate).toBeGreaterThanOrEqual(1000);
    expect(second?.idempotencyKey).toBe(first?.idempotencyKey);
    expect(hasWholeClip(rig)).toBe(true);
  });

  it('429 for a day is not waited for; the message says when to come back (F09)', async () => {
    const rig = await useRig({ sandbox: { faults: 'submit:429*(retry-after=86400)' } });
    const result = await rig.generate();
    expectEnd(rig, result, 6, 1, 0);
    const error = { code: 'network', charged: 'no', retryable: true, http_status: 429 };
    expect(errorOf(result)).toMatchObject({ ...error, hint: expect.stringContaining('24 h') });
  });

  it('a redirect is not followed: nothing reaches the other host (F12)', async () => {
    const other = await serveRaw(() => undefined);
    const rig = await useRig({ sandbox: { faults: `submit:307(to=${other.origin}/v1/videos/generations)` } });
    const result = await rig.generate();
    expectEnd(rig, result, 6, 1, 0);
    expect(String(errorOf(result).message)).toContain(`127.0.0.1:${other.port}`);
    expect(other.connections.length).toBe(0);
  });

  it('a submission never uses a connection that was used before, and may be stale (F13)', async () => {
    const rig = await useRig({
      sandbox: { faults: 'submit:429(retry-after=1); submit:reset(reused)*; poll:reset(reused)*2' },
    });
    expectEnd(rig, await rig.generate(), 0, 2, 1);
  });
});

/** Every way in which the answer can be lost, whether or not the request took effect. */
const LOST: readonly (readonly [string, string, number])[] = [
  ['a reset after the request was read (F04)', 'submit:reset(read)', 0],
  ['a reset after the task was made (F04)', 'submit:reset(after)', 1],
  ['a polite close after the task was made (F04)', 'submit:reset(after,fin)', 1],
  ['silence after the task was made (F05)', 'submit:hang(after)', 1],
  ['silence, and no task (F05)', 'submit:hang', 0],
  ['a gateway that gave up: 502 (F06)', 'submit:502(after)', 1],
  ['a gateway that gave up: 504 (F06)', 'submit:504(after)', 1],
  ['a gateway that is overloaded: 503 (F06)', 'submit:503(after,form=html)', 1],
  ['an error of the service: 500 (F07)', 'submit:500(after)', 1],
  ['an error of the service, and no task: 500 (F07)', 'submit:500', 0],
  ['a time-out of the service: 408 (F07)', 'submit:408(after)', 1],
  ['a page with status 200 (F11)', 'submit:html', 1],
  ['nothing with status 200 (F11)', 'submit:empty', 1],
  ['JSON without an id (F11)', 'submit:no-id', 1],
  ['JSON that was cut before the id', 'submit:cut@20', 1],
  ['a key that the service has seen with another body (409)', 'submit:409(idempotency_conflict,after)', 1],
  ['a key whose first request is still open (409)', 'submit:409(paid_outcome_unknown,after)', 1],
];

describe('the answer is lost: nobody can tell whether money was spent', () => {
  it.each(LOST)('%s: not sent again, now or by a later run', async (_what, faults, charges) => {
    const rig = await useRig({ rate: 50, ...withoutList(faults) });
    expectUnknown(rig, await rig.generate());
    expectUnknown(rig, await rig.generate());
    expectUnknown(rig, await rig.run('resume --json'));
    expect([rig.posts(), rig.charges()]).toEqual([1, charges]);
  });

  const TAKEN = LOST.filter(([, , charges]) => charges === 1);
  it.each(TAKEN)('%s: a task list shows the one that fits, and nothing is sent again', async (_, faults) => {
    const rig = await useRig({ rate: 5, sandbox: { faults }, env: { EVOLINK_RESPONSE_TIMEOUT: '3s' } });
    expectEnd(rig, await rig.generate(), 0, 1, 1);
  });

  it('text of the service is made harmless before a terminal sees it (F07)', async () => {
    const message = 'gone\u001b]52;c;ZXZpbA==\u0007\u202Eevil';
    const rig = await useRig(withoutList(`submit:500(after,message=${message})`));
    const result = await rig.run(AS_TEXT);
    expectSaid(result, 8, 'gone');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(result.stderr).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  });

  const CUTS = ['submit:cut', 'submit:cut(whole)', 'submit:cut(rst)'];
  it.each(CUTS)('an answer that was cut behind the id is enough: %s (F10)', async (faults) => {
    const rig = await useRig(withoutList(faults));
    expectEnd(rig, await rig.generate(), 0, 1, 1);
  });

  it('what was read of the answer is kept in the record (F11)', async () => {
    const rig = await useRig(withoutList('submit:html'));
    await rig.generate();
    expect(rig.records()).toMatchObject([{ state: 'unknown', unknown: { httpStatus: 200 } }]);
    expect(JSON.stringify(rig.records())).toContain('<center>nginx</center>');
  });

  it('tasks that could be of two lost requests are given to neither, until a person says whose they are', async () => {
    const rig = await useRig({ sandbox: { faults: 'submit:reset(after)*2' }, rate: 5, charges: 2 });
    // The list hides the first task for as long as it takes to lose the second.
    rig.sandbox.addFaults('list:500*');
    const [lost, alsoLost] = [
      await rig.generate(),
      await rig.run('t2v drum -d 4 -q 480p -o drum.mp4 --json'),
    ];
    expect([lost.code, alsoLost.code]).toEqual([8, 8]);
    expect([(await rig.run('resume --json')).code, rig.posts()]).toEqual([14, 2]);
    expect(rig.records().map(({ state }) => state)).toEqual(['unknown', 'unknown']);

    const [id, otherId] = [lost, alsoLost].map((result) => errorOf(result).local_id);
    const [task, otherTask] = rig.sandbox.ledger.charges().map(({ taskId }) => taskId);
    expect(JSON.stringify(errorOf(lost))).toContain(`evolink resume ${id} --task TASK_ID`);
    // Saving a task by its id alone says nothing of whose it is.
    expect((await rig.run(`download ${task} -o copy.mp4`)).code).not.toBe(2);
    expect((await rig.run(`resume ${id} --task ${task} --json`)).code).toBe(0);
    expect(hasWholeClip(rig)).toBe(true);
    const wrong = await rig.run(`resume ${otherId} --task ${task} --json`);
    expect([wrong.code, wrong.stdout]).toEqual([2, expect.stringContaining(`it is that of request ${id}`)]);
    expect((await rig.run(`resume ${otherId} --task ${otherTask} --json`)).code).toBe(0);
    expect((await rig.generate()).code).toBe(0);
    expect([rig.posts(), rig.charges()]).toEqual([2, 2]);
    expect(rig.records().filter(({ place }) => place === 'open')).toEqual([]);
  });
});

describe('sending again is a decision of a person', () => {
  /** A request whose outcome is unknown by these faults, and what a person decides about it. */
  async function decide(options: RigOptions) {
    const rig = await useRig(options);
    expect((await rig.generate()).code).toBe(8);
    const id = rig.records()[0]?.localId ?? '';
    const resubmit = (flags = '', env = {}) => rig.run(`resume --resubmit ${id} ${flags} --json`, { env });
    return { rig, id, resubmit };
  }

  it.each(['', '--skip-existing'])('pays for nothing that has no place (%j)', async (flag) => {
    const { rig, id, resubmit } = await decide(withoutList('submit:reset(read)*1'));
    rig.write('clip.mp4', 'mine');
    const before = rig.posts();
    const result = await resubmit(flag);
    expect([result.code, rig.posts()]).toEqual([11, before]);
    expect(errorOf(result)).toMatchObject({ charged: 'unknown', local_id: id });
    expect([(await resubmit('-o other.mp4')).code, rig.posts()]).toEqual([0, before + 1]);
  });

  it('goes out with the same key, so that a service that knows keys makes no second task', async () => {
    const { sandbox } = withoutList('submit:reset(after)');
    const { rig, resubmit } = await decide({ sandbox: { ...sandbox, hasIdempotency: true } });
    expectEnd(rig, await resubmit(), 0, 2, 1);
  });

  it('is not needed where the task has been found by then', async () => {
    const faults = 'submit:reset(after); list:500';
    const { rig, resubmit } = await decide({ rate: 5, sandbox: { faults } });
    expectEnd(rig, await resubmit(), 0, 1, 1);
  });

  it.each([
    ['refused for its key (409)', 'submit:409(idempotency_conflict)', 8, 2],
    ['refused for the balance (402)', 'submit:402', 4, 2],
    ['throttled for good (429)', 'submit:429(retry-after=86400)', 6, 2],
    ['lost again', 'submit:reset(read)', 8, 2],
    ['not sent, as the address is another', '', 2, 1],
  ])('leaves the request as uncertain as it was when it is %s', async (_what, faults, exit, posts) => {
    const { rig, id, resubmit } = await decide(withoutList(`submit:reset(after); ${faults}`));
    const nowhere = { EVOLINK_BASE_URL: `http://127.0.0.1:${await findRefusedPort()}` };
    const result = await resubmit('', faults === '' ? nowhere : {});
    expect([result.code, errorOf(result)]).toMatchObject([exit, { charged: 'unknown', local_id: id }]);
    expect(rig.records()).toMatchObject([{ state: 'unknown', place: 'open' }]);
    expectUnknown(rig, await rig.generate());
    expect([rig.posts(), rig.charges()]).toEqual([posts, 1]);
  });
});

describe('the network fails while the task is waited for', () => {
  it('a minute without network is waited out, with one word about it (F15)', async () => {
    const rig = await useRig({ sandbox: { faults: 'poll:reset*7' } });
    const result = await rig.run(AS_TEXT);
    expectEnd(rig, result, 0, 1, 1);
    expect(rig.sandbox.ledger.count('GET', '/v1/tasks/')).toBeGreaterThanOrEqual(8);
    expect(result.stderr.match(/reading the task failed/g)?.length).toBe(1);
  });

  it('trouble that outlasts the wait leaves the id and the command that continues (F16)', async () => {
    const rig = await useRig({ sandbox: { faults: 'poll:502*' } });
    const result = await rig.run([...GENERATION, '--timeout', '60s']);
    const task_id = rig.taskId();
    const resume = ['evolink', 'resume', task_id];
    expect([result.code, rig.posts()]).toEqual([7, 1]);
    expect(errorOf(result)).toMatchObject({ code: 'pending', charged: 'yes', task_id, resume });
    expect(rig.records()).toMatchObject([{ state: 'accepted', place: 'open' }]);
  });
});

describe('the process dies while a call is under way', () => {
  it.each([
    ['read the request and made nothing: the next run asks, and sends nothing', 'submit:hang', true, 0, 8],
    ['made the task, and lists it: the next run finds it by itself', 'submit:hang(after)', true, 1, 0],
    [
      'made the task, and has no list: the next run asks, and sends nothing',
      'submit:hang(after)',
      false,
      1,
      8,
    ],
  ])('killed when the service has %s', async (_what, faults, hasTaskList, charges, exit) => {
    const rig = await useRig({ rate: 5, sandbox: { hasTaskList, faults } });
    const running = rig.start(GENERATION);
    await until('the request came', () => rig.posts() === 1 && rig.charges() === charges);
    running.child.kill('SIGKILL');
    await running.done;
    expect(rig.records()).toMatchObject([{ state: 'sent' }]);
    const result = await rig.generate();
    expectEnd(rig, result, exit, 1, charges);
    if (exit === 8) expectUnknown(rig, result);
    expect(hasWholeClip(rig)).toBe(exit === 0);
  });
});
