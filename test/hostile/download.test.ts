import { chownSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  expectKeptUnverified,
  expectNoFile,
  expectSaved,
  TASK_ID,
  useDownloadRig,
} from '../helpers/download-rig.ts';
import { expectSaid } from '../helpers/rig.ts';
import { tinyMp4 } from '../helpers/tiny-mp4.ts';

/** Only ends what hangs. */
const LIMIT_MS = 240_000;

const fixture = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url)));

/** A whole file whose last sample lies behind its end. */
function withSampleOutside(): Buffer {
  const clip = tinyMp4({ dataBytes: 20_000, hasAudio: false });
  const at = clip.indexOf('stco') + 12;
  clip.writeUInt32BE(clip.readUInt32BE(at) + 10_000, at);
  return clip;
}

describe('a clip that is whole by its length and can not be read as a video', { timeout: LIMIT_MS }, () => {
  it.each([
    ['has a sample outside the file', withSampleOutside(), /frames or sounds are missing/],
    ['has sound only', fixture('media/sound-only.mp4'), /has no pictures/],
    ['is of another type', fixture('media/webm.webm'), /does not start as an MP4/],
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

describe.skipIf(process.getuid?.() !== 0)(
  'a part that belongs to another user',
  { timeout: LIMIT_MS },
  () => {
    it.each(['.part', '.part.json'])(
      '%s: exit 11 with its owner, nothing is fetched or replaced',
      async (end) => {
        const rig = await useDownloadRig();
        rig.host.script({ cut: 'fin', cutAfterBytes: 120_000 });
        rig.host.always({ status: 500 });
        expect((await rig.download()).code).toBe(9);
        rig.host.always({});
        const path = rig.path(rig.files().find((name) => name.endsWith(end)) ?? '');
        const before = readFileSync(path);
        chownSync(path, 65_534, 65_534);
        const asked = rig.host.requests.length;
        const { code, stderr } = await rig.download();
        expect([code, stderr]).toEqual([11, expect.stringContaining(`"${path}" belongs to user 65534`)]);
        expect(stderr).toContain(`chown 0 ${path}`);
        expect(readFileSync(path).equals(before)).toBe(true);
        expect(rig.host.requests).toHaveLength(asked);
        chownSync(path, 0, 0);
        expect((await rig.download()).code).toBe(0);
        expectSaved(rig);
      },
    );
  },
);

describe('a reading of the task that fails', { timeout: LIMIT_MS }, () => {
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

  it('while a fresh link is asked for is repeated', async () => {
    const rig = await useDownloadRig();
    rig.host.script({ cut: 'fin', cutAfterBytes: 100_000 }, { status: 403 });
    const fresh = rig.host.link.replace('secret', 'secret-2');
    const answers = [rig.task(), ...PASSING];
    rig.answerWith(() => answers.shift() ?? rig.task({ results: [fresh] }));
    expect((await rig.download()).code).toBe(0);
    expectSaved(rig);
    expect(rig.host.requests.at(-1)?.path).toContain('secret-2');
    expect(rig.questions.filter((question) => question.startsWith('POST'))).toEqual([]);
  });
});

describe('Ctrl-C while a finished clip is downloaded', { timeout: LIMIT_MS }, () => {
  it('says that only the download stopped', async () => {
    const rig = await useDownloadRig({ rate: 1 });
    rig.host.script({ cut: 'stall', cutAfterBytes: 100_000 });
    const running = rig.start(['download', TASK_ID, '-o', 'clip.mp4']);
    rig.host.onStall(() => running.child.kill('SIGINT'));
    const { signal, stderr } = await running.done;
    expect([signal, stderr]).toEqual(['SIGINT', expect.stringContaining('stopped downloading')]);
    expect(stderr).not.toContain('keeps running');
    expect((await rig.download()).code).toBe(0);
    expectSaved(rig);
  });
});
