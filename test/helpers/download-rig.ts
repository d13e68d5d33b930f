import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { type LinkServer, startLinkServer } from './link-server.ts';
import { sha256 } from './rig.ts';
import {
  type CliHome,
  type CliOptions,
  type CliResult,
  createCliHome,
  findLeaks,
  type RunningCli,
} from './spawn-cli.ts';
import { tinyMp4 } from './tiny-mp4.ts';

/** A key that no output, no file and no request to the link host may ever hold. */
export const CANARY_KEY = 'canary-51d2e84b067f3a9c';
export const TASK_ID = 'task-unified-1757156493-imcg5zqt';

/** One answer to a question about the task. */
interface TaskAnswer {
  readonly status?: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface DownloadRigOptions {
  readonly content?: Buffer;
  readonly env?: Readonly<Record<string, string>>;
  /** How much faster than real time the program's clock runs. */
  readonly rate?: number;
}

/** The built binary on a fresh machine, a service that knows one finished task, and the host of its clip. */
export interface DownloadRig {
  readonly host: LinkServer;
  readonly home: CliHome;
  readonly content: Buffer;
  /** What the service was asked. */
  readonly questions: readonly string[];
  /** How the task is answered from now on; absent: the usual answer. */
  answerWith(answer: (() => TaskAnswer) | undefined): void;
  /** The usual answer, with changes. */
  task(change?: Readonly<Record<string, unknown>>): TaskAnswer;
  start(args: readonly string[], options?: CliOptions): RunningCli;
  run(args: readonly string[], options?: CliOptions): Promise<CliResult>;
  /** `evolink download TASK …`. */
  download(args?: readonly string[], options?: CliOptions): Promise<CliResult>;
  path(name?: string): string;
  /** The `Range` of each request that reached the host. */
  ranges(): readonly (string | undefined)[];
  /** Names in the working folder. */
  files(): readonly string[];
}

/** Starts all of it, and ends it with the running test, after a look at what must never be. */
export async function useDownloadRig(options: DownloadRigOptions = {}): Promise<DownloadRig> {
  const { content = tinyMp4({ dataBytes: 200 * 1024 }), rate = 20 } = options;
  const host = await startLinkServer(content);
  const questions: string[] = [];
  let answer: (() => TaskAnswer) | undefined;
  const task = (change: Readonly<Record<string, unknown>> = {}): TaskAnswer => ({
    body: {
      id: TASK_ID,
      object: 'video.generation.task',
      model: 'seedance-2.0-text-to-video',
      status: 'completed',
      progress: 100,
      created: Math.floor(Date.now() / 1000) - 60,
      results: [host.link],
      ...change,
    },
  });
  const service = createServer((request, response) => {
    questions.push(`${request.method} ${request.url}`);
    const { status = 200, body, headers = {} } = answer?.() ?? task();
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  const address = service.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const home = createCliHome({
    EVOLINK_BASE_URL: `http://127.0.0.1:${port}`,
    EVOLINK_API_KEY: CANARY_KEY,
    EVOLINK_INTERNAL_CLOCK_RATE: String(rate),
    ...options.env,
  });
  const results: CliResult[] = [];
  const start = (args: readonly string[], cliOptions?: CliOptions): RunningCli => {
    const running = home.start(args, cliOptions);
    const done = running.done.then((result) => {
      results.push(result);
      return result;
    });
    return { ...running, done };
  };
  const run = async (args: readonly string[], cliOptions?: CliOptions): Promise<CliResult> => {
    const result = await home.run(args, cliOptions);
    results.push(result);
    return result;
  };
  onTestFinished(() => {
    service.closeAllConnections();
    service.close();
    const leaks = findAll(home, host, results);
    home.remove();
    expect(leaks).toEqual([]);
  });
  return {
    host,
    home,
    content,
    questions,
    task,
    start,
    run,
    answerWith: (next) => {
      answer = next;
    },
    download: (args = ['-o', 'clip.mp4'], cliOptions = {}) => run(['download', TASK_ID, ...args], cliOptions),
    path: (name = 'clip.mp4') => join(home.work, name),
    ranges: () => host.requests.map(({ headers }) => headers.range),
    files: () => readdirSync(home.work).sort(),
  };
}

/** What must never be shown, kept, or sent to the link host. */
function findAll(home: CliHome, host: LinkServer, results: readonly CliResult[]): readonly string[] {
  const found = findLeaks(home.folder, results, CANARY_KEY);
  for (const { stderr } of results)
    if (stderr.includes('signature=secret')) found.push(`the signature of the link is shown: ${stderr}`);
  for (const { path, headers } of host.requests)
    if (headers.authorization ?? headers.cookie ?? `${path}${JSON.stringify(headers)}`.includes(CANARY_KEY))
      found.push('a credential was sent to the link host');
  return found;
}

/** The clip lies whole under its name, alone: nothing half, no part, no record. */
export function expectSaved(rig: DownloadRig, content: Uint8Array = rig.content): void {
  expect(rig.files()).toEqual(['clip.mp4']);
  expect(sha256(readFileSync(rig.path()))).toBe(sha256(content));
}

/** Nothing lies under the final name. */
export function expectNoFile(rig: DownloadRig): void {
  expect(existsSync(rig.path())).toBe(false);
  expect(rig.files().filter((name) => !name.startsWith('.'))).toEqual([]);
}

/** Downloaded, and not to be verified: it stays beside the output with exit 9, and one command accepts it as it is. */
export async function expectKeptUnverified(rig: DownloadRig, reason: RegExp): Promise<void> {
  const { code, stderr } = await rig.download();
  expect([code, stderr]).toEqual([9, expect.stringMatching(reason)]);
  expect(stderr).toMatch(/downloaded, but not verified/);
  const accept = ['download', TASK_ID, '--unverified'];
  expect(stderr).toContain(`to accept it as it is: evolink ${accept.join(' ')}`);
  expectNoFile(rig);
  const part = rig.path(rig.files().find((name) => name.endsWith('.part')) ?? 'no part');
  expect(stderr).toContain(`kept in ${part}`);
  expect(readFileSync(part).equals(rig.content)).toBe(true);
  const asked = rig.host.requests.length;
  // Neither the same command nor the one that accepts it fetches anything again.
  expect((await rig.download([])).code).toBe(9);
  const accepted = await rig.run(accept);
  expect([accepted.code, accepted.stdout]).toEqual([0, `${rig.path()}\n`]);
  expect(accepted.stderr).toContain('was not verified');
  expectSaved(rig);
  expect(rig.host.requests.length).toBe(asked);
  expect((await rig.run(['status', '--json'])).stdout).not.toContain('"completed"');
}
