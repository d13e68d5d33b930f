import { describe, expect, it } from 'vitest';
import { openPart } from '../../src/download/part-file.ts';
import {
  type DownloadRig,
  expectNoFile,
  expectNoSubmit,
  expectSaved,
  TASK_ID,
  useDownloadRig,
} from '../helpers/download-rig.ts';
import type { LinkStep } from '../helpers/link-server.ts';
import { expectSaid, jsonOf } from '../helpers/rig.ts';
import { serve } from '../helpers/serve.ts';
import { tinyMp4 } from '../helpers/tiny-mp4.ts';

const BYTES = tinyMp4({ dataBytes: 200 * 1024 }).length;

/** Some of the clip, and then the end of the connection. */
const CUT = { cut: 'fin', cutAfterBytes: 100_000 } as const;
const PAGE = { body: '<html><body>Bad gateway</body></html>', headers: { 'content-type': 'text/html' } };
const ELSEWHERE = { headers: { 'content-range': `bytes 100000-${BYTES - 1}/${BYTES + 1}` } };
const CONTINUED = [undefined, 'bytes=100000-'];
const ANEW = [...CONTINUED, undefined];
const FROM_ZERO = [undefined, undefined];

/** What the host does, request after request, and the ranges that it must have been asked for. */
type Case = readonly [what: string, steps: readonly LinkStep[], ranges?: readonly (string | undefined)[]];

const RECOVERED: readonly Case[] = [
  ...(['fin', 'rst'] as const).flatMap((cut) =>
    [1, 1_000, BYTES >> 1, BYTES - 1].map(
      (at): Case => [`cut by ${cut} after ${at} bytes (F27)`, [{ cut, cutAfterBytes: at }]],
    ),
  ),
  ['a stall without a byte is dropped at the idle limit (F28)', [{ ...CUT, cut: 'stall' }], CONTINUED],
  ['a host that ignores the range: no joined bytes (F31)', [CUT, { ignoreRange: true }], CONTINUED],
  ['a part that starts elsewhere: begun anew once (F32)', [CUT, { span: [100_001, BYTES - 1] }], ANEW],
  ['a part of a file of another length: begun anew once (F32)', [CUT, ELSEWHERE], ANEW],
  ['a weak entity tag: from zero (F35)', [{ ...CUT, headers: { etag: 'W/"v1"' } }], FROM_ZERO],
  ['no entity tag: from zero (F35)', [{ ...CUT, headers: { etag: undefined } }], FROM_ZERO],
  ['no length, ended early: the structure tells (F36)', [{ ...CUT, hasNoLength: true }]],
  ['no length, in full', [{ hasNoLength: true }], [undefined]],
  ['fewer bytes announced than sent: fetched again (F37)', [{ announcedExtraBytes: -10 }]],
  ['coded with gzip: decoded (F38)', [{ gzip: true }], [undefined]],
  ['coded with gzip, cut: never continued (F38)', [{ ...CUT, gzip: true, cut: 'rst' }], FROM_ZERO],
  ['a busy host (503)', [{ status: 503, headers: { 'retry-after': '2' } }], FROM_ZERO],
  ['an error page instead of the video, once (F41)', [PAGE], FROM_ZERO],
];

describe('a host that fails on the way: exit 0, the very bytes of the clip', () => {
  const rows = RECOVERED.map(([what, steps, ranges]) => ({ what, steps, ranges }));
  it.each(rows)('$what', async ({ steps, ranges }) => {
    const rig = await useDownloadRig();
    rig.host.script(...steps);
    expect(await rig.download()).toMatchObject({ code: 0, stdout: `${rig.path()}\n` });
    expectSaved(rig);
    if (ranges !== undefined) expect(rig.ranges()).toEqual(ranges);
    expectNoSubmit(rig);
  });

  it('more bytes than announced, all at once with the headers: fetched again (F37)', async () => {
    const content = tinyMp4({ dataBytes: 4_096 });
    const rig = await useDownloadRig({ content });
    rig.host.script({ announcedExtraBytes: -10 });
    expectSaid(await rig.download(undefined, { asProcess: true }), 0, 'more bytes than it had announced');
    expectSaved(rig, content);
  });

  it('every continuation names the version that it continues', async () => {
    const rig = await useDownloadRig();
    rig.host.script({ cut: 'rst', cutAfterBytes: 70_000 }, { cut: 'fin', cutAfterBytes: 70_000 });
    expect((await rig.download()).code).toBe(0);
    expectSaved(rig);
    expect(rig.host.requests.map(({ headers }) => headers['if-range'])).toEqual([undefined, '"v1"', '"v1"']);
  });
});

describe('what is left of an earlier run', () => {
  /** A first run that ends with exit 9 and keeps 120 000 bytes. */
  async function leavePart(rig: DownloadRig): Promise<void> {
    rig.host.script({ cut: 'fin', cutAfterBytes: 120_000 });
    rig.host.always({ status: 500 });
    expectSaid(await rig.download(), 9, `evolink download ${TASK_ID}`);
    expectNoFile(rig);
    rig.host.always({});
  }

  it.each<[string, number, string, readonly (string | undefined)[]]>([
    ['is continued under its validator', 0, '"v1"', ['bytes=120000-']],
    ['is of no use when the clip has changed (F30)', 210_000, '"v2"', ['bytes=120000-']],
    ['is longer than what the host has now: from zero (F34)', 50_000, '"v1"', ['bytes=120000-', undefined]],
  ])('%s', async (_, dataBytes, etag, ranges) => {
    const rig = await useDownloadRig();
    await leavePart(rig);
    const asked = rig.host.requests.length;
    const content = dataBytes === 0 ? rig.content : tinyMp4({ dataBytes, seed: 9 });
    rig.host.serve(content, etag);
    expect((await rig.download()).code).toBe(0);
    expectSaved(rig, content);
    expect(rig.ranges().slice(asked)).toEqual(ranges);
    expect(rig.host.requests[asked]?.headers['if-range']).toBe('"v1"');
  });

  it('whole already, of unknown length: published without fetching it again (F33)', async () => {
    const rig = await useDownloadRig();
    const part = await openPart({ target: rig.path(), taskId: TASK_ID, link: rig.host.link });
    await part.startOver({ validator: '"v1"' });
    await part.write(rig.content);
    await part.suspend();
    expect((await rig.download()).code).toBe(0);
    expectSaved(rig);
    expect(rig.ranges()).toEqual([`bytes=${BYTES}-`]);
  });
});

describe('a host that never gets there: exit 9, the command that continues, no short file', () => {
  const XML = '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>';
  it.each<[string, LinkStep, RegExp]>([
    ['an error page (F41)', { body: '<html><h1>Gone</h1></html>' }, /a web page instead of a video: "Gone"/],
    ['an XML error document (F41)', { body: XML }, /an XML document instead of a video/],
    ['no length, ended early (F36)', { ...CUT, hasNoLength: true }, /lacks|needs/],
    ['more bytes than said (F37)', { announcedExtraBytes: -10 }, /sent more bytes than it had announced/],
    ['an unknown coding', { headers: { 'content-encoding': 'zstd' } }, /unknown coding "zstd"/],
    ['500', { status: 500 }, /the host answered 500/],
  ])('%s, each time', async (_, step, reason) => {
    const rig = await useDownloadRig();
    rig.host.always(step);
    const result = await rig.download();
    expectSaid(result, 9, reason, `evolink download ${TASK_ID}`);
    expect(result.stdout).toBe('');
    expectNoFile(rig);
    expectNoSubmit(rig);
  });

  it('a byte a second: new connections, then given up in time (F29)', async () => {
    const rig = await useDownloadRig({ rate: 60 });
    let connections = 0;
    const origin = await serve((_request, response) => {
      connections += 1;
      response.writeHead(200, { etag: '"v1"', 'content-length': rig.content.length });
      let at = 0;
      const timer = setInterval(() => response.write(rig.content.subarray(at, ++at)), 16);
      response.on('close', () => clearInterval(timer));
    });
    rig.answerWith(() => rig.task({ results: [`${origin}/clip.mp4`] }));
    expectSaid(await rig.download(), 9, 'slower than 10240 bytes a second over 30 s');
    expect(connections).toBe(5);
    expectNoFile(rig);
  });

  it('a body beyond the largest size is stopped in flight, the part removed (F43)', async () => {
    for (const step of [{}, { hasNoLength: true }]) {
      const rig = await useDownloadRig({ env: { EVOLINK_MAX_SIZE: '100KiB' } });
      rig.host.always(step);
      expectSaid(await rig.download(), 9, 'larger than 100.0 KiB');
      expect(rig.files().filter((name) => name.endsWith('.part'))).toEqual([]);
      expect(rig.host.requests).toHaveLength(1);
      expectNoFile(rig);
    }
  });
});

it('a disk without room for what is announced is told before the first byte: exit 11, what is needed', async () => {
  const rig = await useDownloadRig({ env: { EVOLINK_MAX_SIZE: '8000TiB' } });
  rig.host.script({ headers: { 'content-length': '4000000000000000' }, cut: 'stall', cutAfterBytes: 100 });
  const says = /the disk is too full: the video needs [\d.]+ .iB, ".*" has [\d.]+ .iB left/;
  expectSaid(await rig.download(), 11, says);
  expect(rig.host.requests).toHaveLength(1);
  expectNoFile(rig);
  expect((await rig.download()).code).toBe(0);
  expectSaved(rig);
});

describe('redirects (F42)', () => {
  it.each<[string, string | undefined, RegExp]>([
    ['in a circle', 'itself', /redirects in a circle/],
    ['into a cloud', 'http://169.254.169.254/meta-data', /169\.254\.169\.254[\s\S]*from another network/],
    ['to a private address', 'https://10.1.2.3/clip.mp4', /10\.1\.2\.3[\s\S]*from another network/],
    ['to another scheme', 'file:///etc/passwd', /not https/],
    ['to nowhere', undefined, /redirects to nowhere|in a circle/],
  ])('%s: refused, exit 9', async (_, to, reason) => {
    const rig = await useDownloadRig();
    rig.host.always({ status: 302, headers: { location: to === 'itself' ? rig.host.link : to } });
    expectSaid(await rig.download(), 9, reason);
    expect(rig.host.requests).toHaveLength(1);
    expectNoFile(rig);
  });

  it('to another path of a good host is followed', async () => {
    const rig = await useDownloadRig();
    rig.host.script({ status: 302, headers: { location: '/elsewhere.mp4' } });
    expect((await rig.download()).code).toBe(0);
    expectSaved(rig);
    const paths = ['/clip.mp4?signature=secret', '/elsewhere.mp4'];
    expect(rig.host.requests.map(({ path }) => path)).toEqual(paths);
  });
});

describe('the link dies', () => {
  it('for good, and the service no longer knows the task: exit 10, the times, no submission (F40)', async () => {
    const rig = await useDownloadRig();
    rig.host.always({ status: 403 });
    const createdAtMs = Date.now() - 30 * 3_600_000;
    const gone = { status: 404, body: { error: { code: 'task_not_found', message: 'gone' } } };
    const answers = [rig.task({ created: Math.floor(createdAtMs / 1000) })];
    rig.answerWith(() => answers.shift() ?? gone);
    const result = await rig.download(['-o', 'clip.mp4', '--json']);
    expectSaid(result, 10, /it is \d{4}-.* now; results are kept for 24 hours/);
    const error = { exit: 10, retryable: false, charged: 'yes', task_id: TASK_ID };
    expect(jsonOf(result)).toMatchObject({ ok: false, error });
    // The program's clock is ahead by then, as it runs faster.
    const validUntil = Date.parse(/its link was valid until (\S+)/.exec(result.stderr)?.[1] ?? '');
    expect(Math.abs(validUntil - createdAtMs - 24 * 3_600_000)).toBeLessThan(10 * 60_000);
    expect(result.stderr).not.toContain('evolink resume');
    expectNoFile(rig);
    expectNoSubmit(rig);
  });

  it.each([
    ['after its time: exit 10', 10, 30],
    ['before its time: exit 9, as it may come back', 9, 0],
  ])('and the service repeats it, %s (F40)', async (_what, exit, ageHours) => {
    const rig = await useDownloadRig();
    rig.host.always({ status: 403 });
    rig.answerWith(() => rig.task({ created: Math.floor(Date.now() / 1000) - 60 - ageHours * 3_600 }));
    expect((await rig.download()).code).toBe(exit);
    expectNoSubmit(rig);
    if (exit === 10) return;
    rig.host.always({});
    expect((await rig.download()).code).toBe(0);
    expectSaved(rig);
  });
});

describe('the life of the link, by the clock of the service', () => {
  /** A task of so many minutes ago on a service whose clock runs so much ahead. */
  async function warnings(ageMinutes: number, aheadMinutes: number): Promise<readonly string[]> {
    const rig = await useDownloadRig({ rate: 1 });
    const serverNowMs = () => Date.now() + aheadMinutes * 60_000;
    rig.answerWith(() => ({
      ...rig.task({ created: Math.floor(serverNowMs() / 1000) - ageMinutes * 60 }),
      headers: { date: new Date(serverNowMs()).toUTCString() },
    }));
    const { code, stderr } = await rig.download();
    expect(code).toBe(0);
    expectSaved(rig);
    return stderr.split('\n').filter((line) => /the link (may|was to) end/.test(line));
  }

  it.each([
    [0, 'clocks that agree'],
    [120, 'a service that is two hours ahead'],
    [-120, 'a service that is two hours behind'],
  ])('less than an hour left: a warning with the time (%i min: %s)', async (ahead) => {
    const may = /may end in (29|30|31) min \(\d{4}-\d\d-\d\dT[\d:.]+Z\)/;
    expect(await warnings(23 * 60 + 30, ahead)).toEqual([expect.stringMatching(may)]);
    expect(await warnings(22 * 60, ahead)).toEqual([]);
  });

  it('after its time it is tried all the same', async () => {
    expect(await warnings(25 * 60, 0)).toEqual([expect.stringMatching(/was to end at .*tried all the same/)]);
  });
});

describe('to standard output (F44)', () => {
  it.each(['fin', 'rst'] as const)('cut by %s in the middle: goes on at the exact byte', async (cut) => {
    const rig = await useDownloadRig();
    rig.host.script({ cut, cutAfterBytes: 100_000 });
    const { code, stdoutBytes } = await rig.download(['-o', '-']);
    expect([code, stdoutBytes.equals(rig.content)]).toEqual([0, true]);
    expect(rig.ranges()).toEqual([undefined, expect.stringMatching(/^bytes=\d+-$/)]);
    expect(rig.files()).toEqual([]);
  });

  it.each<[string, readonly LinkStep[]]>([
    ['without anything to recognise the version by', [{ ...CUT, headers: { etag: undefined } }]],
    ['when the host begins anew', [CUT, { ignoreRange: true }]],
    ['when the host sends another part', [CUT, { span: [99_999, BYTES - 1] }]],
  ])('stops with exit 9, never a byte twice: %s', async (_, steps) => {
    const rig = await useDownloadRig();
    rig.host.script(...steps);
    const { stdoutBytes, ...result } = await rig.download(['-o', '-']);
    expectSaid(result, 9, 'bytes were written: what was made of them is not whole');
    expect(stdoutBytes.length).toBeLessThan(rig.content.length);
    expect(stdoutBytes.equals(rig.content.subarray(0, stdoutBytes.length))).toBe(true);
  });

  it('an error page never reaches it', async () => {
    const rig = await useDownloadRig();
    rig.host.always({ body: '<html>sorry</html>' });
    const { code, stdoutBytes } = await rig.download(['-o', '-']);
    expect([code, stdoutBytes.length]).toEqual([9, 0]);
  });
});
