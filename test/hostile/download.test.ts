import { chownSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  expectKeptUnverified,
  expectNoFile,
  expectNoSubmit,
  expectSaved,
  TASK_ID,
  useDownloadRig,
} from '../helpers/download-rig.ts';
import { fixture } from '../helpers/media-fixtures.ts';
import { expectSaid, jsonOf } from '../helpers/rig.ts';
import type { CliResult } from '../helpers/spawn-cli.ts';
import { tinyMp4 } from '../helpers/tiny-mp4.ts';

/** A whole file whose last sample lies behind its end. */
function withSampleOutside(): Buffer {
  const clip = tinyMp4({ dataBytes: 20_000, hasAudio: false });
  const at = clip.indexOf('stco') + 12;
  clip.writeUInt32BE(clip.readUInt32BE(at) + 10_000, at);
  return clip;
}

describe('a clip that is whole by its length and can not be read as a video', () => {
  it.each([
    ['has a sample outside the file', withSampleOutside(), /frames or sounds are missing/],
    ['has sound only', readFileSync(fixture('sound-only.mp4')), /has no pictures/],
    ['is of another type', readFileSync(fixture('webm.webm')), /does not start as an MP4/],
  ])('%s: it stays, exit 9, and one command accepts it', async (_, content, reason) => {
    const rig = await useDownloadRig({ content });
    await expectKeptUnverified(rig, reason);
  });

  it('a page in its place is not accepted', async () => {
    const rig = await useDownloadRig();
    rig.host.always({ body: '<html><h1>Sign in</h1></html>' });
    expectSaid(await rig.download(['-o', 'clip.mp4', '--unverified']), 9, 'a web page instead of a video');
    expectNoFile(rig);
  });
});

const isRoot = process.getuid?.() === 0;
const PARTS = ['.part', '.part.json'];
it.runIf(isRoot).each(PARTS)('a %s of another user: exit 11, nothing is fetched', async (end) => {
  const rig = await useDownloadRig();
  rig.host.script({ cut: 'fin', cutAfterBytes: 120_000 });
  rig.host.always({ status: 500 });
  expect((await rig.download()).code).toBe(9);
  rig.host.always({});
  const path = rig.path(rig.files().find((name) => name.endsWith(end)) ?? '');
  const before = readFileSync(path);
  chownSync(path, 65_534, 65_534);
  const asked = rig.host.requests.length;
  expectSaid(await rig.download(), 11, `"${path}" belongs to user 65534`, `chown 0 ${path}`);
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(rig.host.requests).toHaveLength(asked);
  chownSync(path, 0, 0);
  expect((await rig.download()).code).toBe(0);
  expectSaved(rig);
});

describe('a reading of the task that fails', () => {
  const PASSING = [
    { status: 500, body: { error: { code: 'internal_error', message: 'oops' } } },
    { status: 429, body: { error: { code: 'rate_limit_exceeded' } }, headers: { 'retry-after': '1' } },
    { status: 502, body: '<html>bad gateway</html>' },
  ];

  it('before the download of a bare id is repeated', async () => {
    const rig = await useDownloadRig();
    const answers = [...PASSING];
    rig.answerWith(() => answers.shift() ?? rig.task());
    expect((await rig.download()).code).toBe(0);
    expectSaved(rig);
  });

  it.each([0, 3])(
    '%i times while a fresh link is asked for: it continues at the byte (F39)',
    async (times) => {
      const rig = await useDownloadRig();
      rig.host.script({ cut: 'fin', cutAfterBytes: 100_000 }, { status: 403 });
      const fresh = rig.host.link.replace('secret', 'secret-2');
      const answers = [rig.task(), ...PASSING.slice(0, times)];
      rig.answerWith(() => answers.shift() ?? rig.task({ results: [fresh] }));
      expect((await rig.download()).code).toBe(0);
      expectSaved(rig);
      expect(rig.ranges()).toEqual([undefined, 'bytes=100000-', 'bytes=100000-']);
      expect(rig.host.requests.at(-1)?.path).toContain('secret-2');
      expectNoSubmit(rig);
    },
  );
});

it('Ctrl-C while a finished clip is downloaded says that only the download stopped', async () => {
  const rig = await useDownloadRig({ rate: 1 });
  rig.host.script({ cut: 'stall', cutAfterBytes: 100_000 });
  const running = rig.start(`download ${TASK_ID} -o clip.mp4`);
  rig.host.onStall(() => running.child.kill('SIGINT'));
  const { signal, stderr } = await running.done;
  expect([signal, stderr]).toEqual(['SIGINT', expect.stringContaining('stopped downloading')]);
  expect(stderr).not.toContain('keeps running');
  expect((await rig.download()).code).toBe(0);
  expectSaved(rig);
});

/** What moves a cursor, writes a clipboard, turns text around, or speaks to a build server. */
const HOSTILE =
  'oops\u001b[2J\u001b]52;c;ZXZpbA==\u0007\r\u202egpj.exe\u200b\n::set-output name=key::stolen\n##[error]x\u0085\u2028';

function expectToothless(result: CliResult, exit: number): void {
  expectSaid(result, exit, 'oops');
  expect(result.stderr).not.toMatch(/[^\P{C}\n]|\u2028|^\s*(::|##\[)/mu);
}

describe('texts of strangers (F60)', () => {
  it.each<[string, string]>([
    ['a page', `<html><title>${HOSTILE}</title></html>`],
    ['an XML document', `<?xml version="1.0"?><Error>${HOSTILE}</Error>`],
    ['a JSON document', JSON.stringify({ error: HOSTILE })],
  ])('%s in place of the video is quoted without its teeth', async (_, body) => {
    const rig = await useDownloadRig();
    rig.host.always({ body });
    expectToothless(await rig.download(undefined, { env: { GITHUB_ACTIONS: 'true', CI: '1' } }), 9);
    const json = await rig.download(['-o', 'clip.mp4', '--json']);
    expect(jsonOf(json)).toMatchObject({ ok: false, error: { exit: 9 } });
    expect(json.stdout).not.toMatch(/[^\P{C}\n]/u);
    expectNoFile(rig);
  });

  it('a failed task is quoted the same way', async () => {
    const rig = await useDownloadRig();
    rig.answerWith(() =>
      rig.task({ status: 'failed', results: [], error: { code: 'bad\u001b[31m', message: HOSTILE } }),
    );
    expectToothless(await rig.download(), 5);
  });
});
