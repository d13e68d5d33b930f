import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { createApiClient } from '../../../src/api/client.ts';
import { nextPollDelayMs } from '../../../src/task/poll.ts';
import { waitForTask } from '../../../src/task/wait.ts';
import { makeHttp } from '../../helpers/api-client.ts';
import { setUpGenerate } from '../../helpers/generate-setup.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';
import { BODY, closeAll, KEY, start } from './sandbox-under-test.ts';

afterEach(closeAll);

/** When a task is read that takes so long and shows its progress as the sandbox does, ms after it was accepted. */
function simulate(lifeMs: number, random: () => number): number[] {
  const reads: number[] = [];
  let [nowMs, changedMs] = [0, 0];
  let progressPercent: number | undefined;
  while (nowMs < lifeMs) {
    const known = { elapsedMs: nowMs, progressPercent, unchangedMs: nowMs - changedMs };
    const estimatedMs = Math.ceil(lifeMs / 1000) * 1000;
    nowMs += nextPollDelayMs({ ...known, estimatedMs, isFirst: reads.length === 0, random: random() });
    reads.push(nowMs);
    const percent = nowMs < 0.06 * lifeMs ? 0 : Math.min(99, Math.max(1, Math.floor((100 * nowMs) / lifeMs)));
    if (percent !== progressPercent) changedMs = nowMs;
    progressPercent = percent;
  }
  return reads;
}

it.each([
  [1, {}, ''],
  [2, { duration: 15, quality: '4k' }, ''],
  [3, {}, 'task:slow@10'],
  [4, {}, 'task:slow@0.03'],
])('reads a task of the sandbox when the schedule says: seed %i, %j, %s', async (seed, wish, faults) => {
  const { deps, clock } = await setUpGenerate({});
  const stateFolder = await tempFolder();
  const options = { clock, seed, faults, stateFolder, speed: 1, startingCredits: 10_000 };
  const { apiUrl, ledger } = await start(options);
  const api = createApiClient({ http: makeHttp({ clock }), baseUrl: apiUrl, apiKey: KEY, clock });
  const signal = new AbortController().signal;
  const body = { ...BODY, ...wish };
  const submitted = await api.submit(body, { idempotencyKey: 'evolink.key-0123456789', signal });
  if (submitted.kind !== 'accepted') throw new Error(submitted.kind);
  const { id, estimatedSeconds } = submitted.task;
  const acceptedAtMs = clock.now();
  const record = sampleRecord({
    state: 'accepted',
    taskId: id,
    acceptedAtMs,
    estimatedSeconds,
    timeline: [],
  });
  await deps.journal.create(record);
  const randoms = [clock.random(), clock.random(), clock.random(), clock.random()];
  expect((await waitForTask({ ...deps, api }, record, 3_600_000, signal)).state).toBe('completed');

  const { lifeMs } = JSON.parse(readFileSync(join(stateFolder, 'tasks', `${id}.json`), 'utf8'));
  const reads = ledger.requests().filter(({ method }) => method === 'GET');
  let drawn = 0;
  const simulated = simulate(lifeMs, () => randoms[drawn++ % randoms.length] ?? 0);
  expect(reads.map(({ atMs }) => atMs - acceptedAtMs)).toEqual(simulated);
  expect(reads.length).toBeGreaterThan(1);
});
