import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, onTestFinished } from 'vitest';
import { startLinkServer } from './link-server.ts';
import { CANARY_KEY, sha256 } from './rig.ts';
import { serve } from './serve.ts';
import { type CliOptions, createCliHome } from './spawn-cli.ts';
import { tinyMp4 } from './tiny-mp4.ts';

export const TASK_ID = 'task-unified-1757156493-imcg5zqt';

/** One answer to a question about the task. */
type TaskAnswer = Readonly<{ status?: number; body: unknown; headers?: Env }>;
type Env = Readonly<Record<string, string>>;

/** The program on a fresh machine, a service that knows one finished task, and the host of its clip. */
export type DownloadRig = Awaited<ReturnType<typeof useDownloadRig>>;

/**
 * Starts all of it, and ends it with the running test, after a look at what must never be.
 * @param options.rate how much faster than real time the program's clock runs
 */
export async function useDownloadRig(options: { content?: Buffer; env?: Env; rate?: number } = {}) {
  const { content = tinyMp4({ dataBytes: 200 * 1024 }), rate = 20 } = options;
  const host = await startLinkServer(content);
  const questions: string[] = [];
  /** The usual answer, with changes. */
  const task = (change = {}): TaskAnswer => {
    const known = { id: TASK_ID, object: 'video.generation.task', model: 'seedance-2.0-text-to-video' };
    const created = Math.floor(Date.now() / 1000) - 60;
    const ended = { status: 'completed', progress: 100, created, results: [host.link] };
    return { body: { ...known, ...ended, ...change } };
  };
  let answer = task;
  const service = await serve((request, response) => {
    questions.push(`${request.method} ${request.url}`);
    const { status = 200, body, headers = {} } = answer();
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  });
  const home = createCliHome({
    EVOLINK_BASE_URL: service,
    EVOLINK_API_KEY: CANARY_KEY,
    EVOLINK_INTERNAL_CLOCK_RATE: String(rate),
    ...options.env,
  });
  onTestFinished(() => {
    const leaks = home.leaks(CANARY_KEY);
    for (const { stderr } of home.results)
      if (stderr.includes('signature=secret')) leaks.push(`the signature of the link is shown: ${stderr}`);
    for (const { path, headers } of host.requests)
      if (headers.authorization ?? headers.cookie ?? `${path}${JSON.stringify(headers)}`.includes(CANARY_KEY))
        leaks.push('a credential was sent to the link host');
    home.remove();
    expect(leaks).toEqual([]);
  });
  return {
    ...home,
    host,
    content,
    /** What the service was asked. */
    questions,
    task,
    /** How the task is answered from now on. */
    answerWith: (next: () => TaskAnswer) => {
      answer = next;
    },
    /** `evolink download TASK …`. */
    download: (args: readonly string[] = ['-o', 'clip.mp4'], cliOptions: CliOptions = {}) =>
      home.run(['download', TASK_ID, ...args], cliOptions),
    path: (name = 'clip.mp4') => home.at(name),
    /** The `Range` of each request that reached the host. */
    ranges: () => host.requests.map(({ headers }) => headers.range),
    /** Names in the working folder. */
    files: () => readdirSync(home.work).sort(),
  };
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

/** What the service asks for a video is paid once: a download never submits. */
export function expectNoSubmit({ questions }: DownloadRig): void {
  expect(questions.filter((question) => question.startsWith('POST'))).toEqual([]);
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
