import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { serve } from '../../helpers/serve.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';
import { BODY, json, refusal, start } from './sandbox-under-test.ts';

/** Moves time in small steps until something is true. */
async function until(check: () => boolean, advance: () => unknown = () => {}): Promise<void> {
  for (let step = 0; step < 200 && !check(); step += 1) {
    await advance();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  expect(check()).toBe(true);
}

describe('the life of a task', () => {
  it('goes from pending over processing to completed in the estimated time', async () => {
    const sandbox = await start({ speed: 1 });
    const { id, task_info: info } = await json(await sandbox.submit());
    expect(info.estimated_time).toBeGreaterThanOrEqual(109);
    expect(info.estimated_time).toBeLessThanOrEqual(180);
    const seen: unknown[] = [];
    for (let tenths = 0; tenths < 10; tenths += 3) {
      const { status, progress, results } = await sandbox.read(`/v1/tasks/${id}`);
      seen.push([status, Math.round(progress / 10), results]);
      await sandbox.clock.advance(info.estimated_time * 300);
    }
    const stages = [
      ['pending', 0],
      ['processing', 3],
      ['processing', 6],
      ['processing', 9],
    ];
    expect(seen).toEqual(stages.map((stage) => [...stage, undefined]));
    const task = await sandbox.read(`/v1/tasks/${id}`);
    expect(task).toMatchObject({ status: 'completed', progress: 100, task_info: { can_cancel: false } });
    expect(task.usage.credits_used).toBe(67.5);
    const link = /^http:\/\/127\.0\.0\.1:\d+\/v\/task-unified-.*\.mp4\?sig=\w+&expires=\d+$/;
    expect(task.results).toEqual([expect.stringMatching(link)]);
  });

  it('waits for the clip, and fails when it cannot be made', async () => {
    let makeClip = (_: Uint8Array): void => {};
    const making = new Promise<Uint8Array>((resolve) => {
      makeClip = resolve;
    });
    const slow = await start({ videoMaker: () => making });
    const { id } = await json(await slow.submit());
    await slow.clock.advance(180_000);
    const poll = slow.read(`/v1/tasks/${id}`);
    await until(() => slow.clock.sleeps.includes(2000));
    await slow.clock.advance(2000);
    expect(await poll).toMatchObject({ status: 'processing', progress: 99 });
    makeClip(new Uint8Array(8));
    await slow.clock.advance(1);
    expect((await slow.read(`/v1/tasks/${id}`)).status).toBe('completed');

    const broken = await start({ videoMaker: () => Promise.reject(new Error('no encoder')) });
    const { task } = await broken.finish();
    expect([task.status, task.error.code]).toEqual(['failed', 'service_error']);
  });

  it.each([
    [
      'fail(content_policy_violation,message=one\\ntwo)',
      'failed',
      { code: 'content_policy_violation', message: 'one\ntwo', type: 'task_error' },
    ],
    ['cancel', 'cancelled', undefined],
  ])('ends as told by task:%s, and gives the credits back', async (fault, status, error) => {
    const sandbox = await start({ faults: `task:${fault}` });
    const { task } = await sandbox.finish();
    expect([task.status, task.error, task.results]).toEqual([status, error, undefined]);
    expect(sandbox.ledger.charges()).toMatchObject([{ state: 'refunded', chargedCredits: 0 }]);
    const { data } = await sandbox.read('/v1/credits');
    expect(data.user).toEqual({ remaining_credits: 1000, used_credits: 0 });
  });

  it.each([
    ['never', { status: 'processing' }],
    ['word(archiving)', { status: 'archiving' }],
    ['instant', { task_info: { estimated_time: 0 }, results: [expect.any(String)] }],
    ['slow@10', { status: 'completed', task_info: { estimated_time: 27 } }],
    ['links@3', { results: [0, 1, 2].map(() => expect.stringContaining('/v/')) }],
    ['result-data', { results: [], result_data: { video_url: expect.stringContaining('/v/') } }],
  ])('task:%s', async (fault, shown) => {
    const sandbox = await start({ faults: `task:${fault}` });
    expect((await sandbox.finish()).task).toMatchObject(shown);
  });
});

describe('reading tasks', () => {
  it.each([
    ['bad id', '/v1/tasks/..%2Fx', 400, 'invalid_task_id'],
    ['unknown id', '/v1/tasks/task-unified-1-abcdefgh', 404, 'task_not_found'],
    ['no such path', '/v1/videos', 404, 'not_found'],
    ['other method', '/v1/videos/generations', 405, 'method_not_allowed'],
    ['bad page', '/v1/tasks?page=x', 400, 'invalid_parameter'],
  ])('%s', async (_, path, status, code) => {
    expect(await refusal((await start()).get(path))).toEqual([status, code]);
  });

  it('lists newest first, filtered and paged, without links', async () => {
    const sandbox = await start({ speed: 40 });
    const ids: string[] = [];
    for (const duration of [4, 5, 6]) {
      ids.unshift((await json(await sandbox.submit({ ...BODY, duration }))).id);
      await sandbox.clock.advance(1500);
    }
    const page = await sandbox.read('/v1/tasks?page=2&page_size=2');
    const place = { object: 'list', total: 3, page: 2, page_size: 2 };
    expect(page).toMatchObject({ ...place, data: [{ id: ids[2], type: 'video' }] });
    const running = await sandbox.read('/v1/tasks?status=processing');
    expect(running.data.map((task: { id: string }) => task.id)).toEqual(ids.slice(0, 2));
    expect((await sandbox.read('/v1/tasks?model=other')).data).toEqual([]);
    expect(JSON.stringify(page)).not.toContain('/v/');
  });

  it('reads up to 50 at once and leaves unknown ids out', async () => {
    const sandbox = await start();
    const { id } = await json(await sandbox.submit());
    const batch = (task_ids: unknown) => sandbox.post('/v1/tasks/batch', { task_ids });
    const answer = await json(await batch([id, 'task-unified-1-abcdefgh']));
    expect(answer).toMatchObject({ code: 200, data: [{ id }] });
    expect((await batch(Array.from({ length: 51 }, () => id))).status).toBe(400);
  });

  it('counts credits: held at once, used at the end', async () => {
    const sandbox = await start();
    await sandbox.submit();
    const user = async (): Promise<unknown> => (await sandbox.read('/v1/credits')).data.user;
    expect(await user()).toEqual({ remaining_credits: 932.5, used_credits: 0 });
    await sandbox.clock.advance(180_000);
    expect(await user()).toEqual({ remaining_credits: 932.5, used_credits: 67.5 });
  });
});

describe('callbacks', () => {
  it('delivers the task object, after 1, 2 and 4 s of waiting where refused', async () => {
    const bodies: string[] = [];
    const hook = await serve(async (request, response) => {
      bodies.push(await text(request));
      response.writeHead(bodies.length < 3 ? 500 : 200).end();
    });
    const sandbox = await start();
    const { id } = await json(await sandbox.submit({ ...BODY, callback_url: `${hook}/hook` }));
    const { callbacks } = sandbox.ledger;
    await until(
      () => callbacks.length === 3,
      () => sandbox.clock.advance(500),
    );
    expect(callbacks).toMatchObject([500, 500, 200].map((status) => ({ status })));
    expect(sandbox.clock.sleeps).toEqual([1000, 2000]);
    const task = { id, status: 'completed', results: [expect.any(String)] };
    expect(JSON.parse(bodies[2] ?? '')).toMatchObject(task);
  });

  it('calls nothing off this machine', async () => {
    const sandbox = await start();
    await sandbox.finish({ ...BODY, callback_url: 'https://example.com/hook' });
    expect(sandbox.ledger.callbacks).toEqual([]);
  });
});

it('a state folder keeps tasks, keys and credits beyond the process', async () => {
  const stateFolder = await tempFolder();
  const headers = { 'idempotency-key': 'evolink.key-0123456789' };
  const first = await start({ stateFolder });
  const { id } = await json(await first.submit(BODY, headers));
  await first.clock.advance(180_000);
  await first.get(`/v1/tasks/${id}`);
  await first.close();

  const second = await start({ stateFolder });
  expect((await second.submit(BODY, headers)).headers.get('idempotency-replayed')).toBe('true');
  const task = await second.read(`/v1/tasks/${id}`);
  expect(task.results[0]).toContain(second.linkUrl);
  const clip = await fetch(task.results[0]);
  expect([clip.status, (await clip.arrayBuffer()).byteLength]).toEqual([200, 100_000]);
  expect((await second.read('/v1/credits')).data.user.used_credits).toBe(67.5);
});
