import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Inspection } from './facts.ts';
import type { MediaQuestion } from './worker.ts';

/** Only against hanging: how much work there may be is measured in processor time, by the worker itself. */
const TIME_LIMIT_MS = 60_000;
/** A heap that is full ends the worker. It does not count buffers, for which the worker has bounds of its own. */
const HEAP_MIB = 96;

/**
 * Looks at a local file: type by its bytes, pixels, length, frames a second, and whether it is whole. Limits of the service
 * are not judged here. It is read in another process, bounded in time and memory whatever it holds; `isOverLimit` tells a
 * file that went over a bound. Never throws for what a file can be.
 */
export function inspectFile(path: string): Promise<Inspection> {
  return ask({ kind: 'file', path });
}

/** What a clip says of itself, as documents have it. */
export interface ClipFacts {
  readonly duration_seconds: number;
  readonly width_px: number | null;
  readonly height_px: number | null;
  readonly has_audio: boolean;
}

/** What is in a finished clip: type, tracks, length, and every sample inside the file; or why it could not be verified. */
export async function verifyClip(path: string): Promise<ClipFacts | { readonly doubt: string }> {
  const { facts, problems } = await ask({ kind: 'result', path });
  if (problems[0] !== undefined) return { doubt: `it ${problems[0].is}` };
  if (facts?.videoCodec === undefined) return { doubt: 'it has no pictures' };
  const { seconds = 0, widthPx = null, heightPx = null, audioCodec } = facts;
  return {
    duration_seconds: seconds,
    width_px: widthPx,
    height_px: heightPx,
    has_audio: audioCodec !== undefined,
  };
}

/** The same from the first bytes of a file behind a URL; `sizeBytes` is the whole size, where its host tells. */
export function inspectHead(bytes: Uint8Array, sizeBytes: number | undefined): Promise<Inspection> {
  return ask({ kind: 'head', bytes, sizeBytes });
}

let worker: ChildProcess | undefined;
let turn: Promise<unknown> = Promise.resolve();

/** One question at a time: memory stays that of one. */
function ask(question: MediaQuestion): Promise<Inspection> {
  const answer = turn.then(() => answerOf(question));
  turn = answer.catch(() => undefined);
  return answer;
}

const OVER_LIMIT: Inspection = {
  isOverLimit: true,
  problems: [
    { rule: 'readable', is: "can't be read: it takes too much time or memory", allowed: 'convert it' },
  ],
  remarks: [],
};

async function answerOf(question: MediaQuestion): Promise<Inspection> {
  worker ??= startWorker();
  const asked = worker;
  const timer = setTimeout(() => asked.kill('SIGKILL'), TIME_LIMIT_MS);
  try {
    asked.ref();
    asked.channel?.ref();
    return await new Promise<Inspection>((resolve, reject) => {
      const lose = (settle: () => void) => {
        worker = undefined;
        settle();
      };
      asked.once('message', (answer) => resolve(answer as unknown as Inspection));
      asked.once('exit', () => lose(() => resolve(OVER_LIMIT)));
      asked.once('error', (error) => lose(() => reject(error)));
      // A worker that is gone tells so by its exit.
      asked.send(question, (error) => error !== null && asked.kill('SIGKILL'));
    });
  } finally {
    clearTimeout(timer);
    asked.removeAllListeners();
    // An idle worker keeps nobody waiting; it ends with this process.
    asked.unref();
    asked.channel?.unref();
  }
}

function startWorker(): ChildProcess {
  return fork(workerPath(), {
    execArgv: [`--max-old-space-size=${HEAP_MIB}`],
    // Nothing of ours: no key, no settings of Node.
    env: process.platform === 'win32' ? { SystemRoot: process.env.SystemRoot } : {},
    // A Ctrl-C of the terminal is for this process, which decides what becomes of the question.
    detached: process.platform !== 'win32',
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
}

/** The built worker, from the bundle as well as from the sources. */
function workerPath(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'dist', 'media', 'worker.js')) && folder !== dirname(folder))
    folder = dirname(folder);
  return join(folder, 'dist', 'media', 'worker.js');
}
