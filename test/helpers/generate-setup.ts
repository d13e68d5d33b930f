import type { GenerateDependencies, TaskEvent } from '../../src/task/events.ts';
import { createJournal } from '../../src/task/journal.ts';
import { createFakeClock } from './fake-clock.ts';
import { createMemoryIo } from './memory-io.ts';
import { type ApiScript, createScriptedApi } from './scripted-api.ts';
import { tempFolder } from './temp-folder.ts';

/** A real journal in a temporary folder, a scripted service, and a clock whose sleeps end at once. */
export async function setUpGenerate(script: ApiScript) {
  const folder = await tempFolder();
  const clock = createFakeClock({ autoAdvance: true, randoms: [0.5, 0.1, 0.9, 0.3] });
  const api = createScriptedApi(script);
  const events: TaskEvent[] = [];
  const deps: GenerateDependencies = {
    api,
    links: { open: () => Promise.reject(new Error('no link is opened here')) },
    upload: () => Promise.reject(new Error('nothing is uploaded here')),
    journal: createJournal({ folder, clock, host: 'test', pid: process.pid }),
    clock,
    emit: (event) => void events.push(event),
    stdout: createMemoryIo().stdout,
    limits: { minBytesPerSecond: 10 * 1024, maxSizeBytes: 4 * 1024 ** 3 },
    submitWindowMs: 75_000,
    lockWaitMs: 0,
    workingFolder: folder,
    toolVersion: '0.0.0',
  };
  return { deps, api, clock, events };
}
