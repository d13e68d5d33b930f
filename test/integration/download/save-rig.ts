import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createLinkClient } from '../../../src/api/links.ts';
import type { DownloadDependencies, DownloadEvent } from '../../../src/download/fetch.ts';
import { type SaveLinkJob, saveLink } from '../../../src/download/save-link.ts';
import { makeHttp } from '../../helpers/api-client.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { startLinkServer } from '../../helpers/link-server.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';
import { tinyMp4 } from '../../helpers/tiny-mp4.ts';

const TASK_ID = 'task-unified-1757156493-imcg5zqt';

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A server with a clip of about 200 KiB, an empty folder, a clock that skips sleeps, and a way to save. */
export async function createSaveRig(content: Buffer = tinyMp4({ dataBytes: 200 * 1024 })) {
  const server = await startLinkServer(content);
  const folder = await tempFolder();
  const clock = createFakeClock({ autoAdvance: true });
  const events: DownloadEvent[] = [];
  const target = join(folder, 'clip.mp4');
  let isOver = false;
  onTestFinished(() => {
    isOver = true;
  });
  const deps: DownloadDependencies = {
    client: createLinkClient({ http: makeHttp({ clock }), allowLoopback: true }),
    clock,
    emit: (event) => events.push(event),
  };
  const job: SaveLinkJob = {
    taskId: TASK_ID,
    link: server.link,
    target,
    onExisting: 'refuse',
    refreshLink: async () => ({ link: server.link }),
    limits: { minBytesPerSecond: 10 * 1024, maxSizeBytes: 4 * 1024 ** 3 },
    signal: new AbortController().signal,
  };
  return {
    server,
    folder,
    clock,
    events,
    target,
    deps,
    job,
    content,
    save: (change: Partial<SaveLinkJob> = {}) => saveLink(deps, { ...job, ...change }),
    saveError: async (change: Partial<SaveLinkJob> = {}): Promise<unknown> => {
      const outcome = await saveLink(deps, { ...job, ...change }).catch((error: unknown) => ({ error }));
      if (!('error' in outcome)) throw new Error('it was saved');
      return outcome.error;
    },
    files: async () => (await readdir(folder)).sort(),
    savedHash: async (path = target) => sha256(await readFile(path)),
    ranges: () => server.requests.map(({ headers }) => headers.range),
    /** Lets time pass whenever a body stalls, until the client comes again. */
    passStalls: () => {
      server.onStall(() => {
        const seen = server.requests.length;
        const pass = async () => {
          // Only once somebody waits: time that passes while bytes are still on their way would be a stall of the test's own.
          while (server.requests.length === seen && !isOver) {
            if (clock.pendingCount() > 0) await clock.advance(1_000);
            else await new Promise((resolve) => setTimeout(resolve, 1));
          }
        };
        void pass();
      });
    },
  };
}

export type SaveRig = Awaited<ReturnType<typeof createSaveRig>>;
