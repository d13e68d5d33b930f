import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type DownloadRig, expectSaved, useDownloadRig } from '../helpers/download-rig.ts';
import { expectSaid, jsonOf, type Rig, sha256, useRig } from '../helpers/rig.ts';

const OUTPUT = ['-o', 'clip.mp4'];
const SMALL = ['-d', '4', '-q', '480p', '--json'];

/** Where the clip of a prompt goes. */
async function pathOf(rig: Rig, prompt: string, ...flags: string[]): Promise<string> {
  const result = await rig.run(['t2v', ...SMALL, '-p', prompt, ...flags]);
  expectSaid(result, 0);
  return jsonOf(result).path;
}

describe('a name from the prompt', () => {
  it.each([
    ['../../etc/passwd', 'etc-passwd'],
    ['/absolute "quoted" $(rm -rf) `x`', 'absolute-quoted-rm-rf-x'],
    ['CON', 'con'],
    ['...---...', 'video'],
    ['-o --overwrite', 'o-overwrite'],
    ['\u202egnp.exe\u202c \u0007bell\u001b[31m', 'gnp-exe'],
    ['그림 속의 고양이', '그림-속의-고양이'],
    ['🐸🐸', 'video'],
    [`${'very '.repeat(8)}long`, 'very-very-very-very-very-very-very-very'],
    ['w'.repeat(400), 'w'.repeat(96)],
  ])('%j', async (prompt, slug) => {
    const rig = await useRig();
    const path = await pathOf(rig, prompt);
    const name = basename(path);
    expect([dirname(path), readdirSync(rig.work)]).toEqual([rig.work, [name]]);
    expect(name.startsWith(slug)).toBe(true);
    expect(name).toMatch(/^[^.-][^/\\:*?"<>|]*\.mp4$/u);
    expect(name).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  it('as a device of Windows, alone in a pattern, gets a mark, and never leaves the folder asked for', async () => {
    const rig = await useRig({ charges: 2 });
    expect(basename(await pathOf(rig, 'CON', '-o', '{slug}.mp4'))).toBe('con_.mp4');
    const path = await pathOf(rig, '../../../tmp/x', '-o', 'a/b/{slug}/{id}.mp4');
    expect(path.startsWith(rig.at('a/b/'))).toBe(true);
  });
});

describe('the host does not choose the name (F61)', () => {
  it.each([
    'attachment; filename="../../evil.sh"',
    'attachment; filename=CON',
    "attachment; filename*=UTF-8''a.mp4.exe",
  ])('%s', async (disposition) => {
    const rig = await useDownloadRig();
    rig.host.always({ headers: { 'content-disposition': disposition, 'content-type': 'application/x-sh' } });
    expect((await rig.download()).code).toBe(0);
    expectSaved(rig);
  });

  it('nor does a 103 before the answer', async () => {
    const rig = await useRig({ sandbox: { faults: 'link:early-hints(evil.sh)' } });
    expect((await rig.generate()).code).toBe(0);
    expect(readdirSync(rig.work)).toEqual(['clip.mp4']);
  });

  it('the path of the link neither', async () => {
    const rig = await useDownloadRig();
    const results = [`${rig.host.origin}/%2e%2e%2f%2e%2e/x.exe?signature=secret`];
    rig.answerWith(() => rig.task({ results }));
    expect((await rig.download([])).code).toBe(0);
    expect(rig.files()).toEqual([expect.stringMatching(/^[a-z0-9-]*imcg5zqt\.mp4$/)]);
  });

  it('a task id never becomes a path or a request', async () => {
    const rig = await useDownloadRig();
    for (const id of ['../../x', 'task-..', 'a/b', '.hidden', 'x\u202ey'])
      expect([id, (await rig.run(['download', id])).code]).toEqual([id, 2]);
    expect([rig.files(), rig.questions]).toEqual([[], []]);
  });
});

/** The clip was saved beside what is in its place. */
async function expectBeside(rig: DownloadRig): Promise<void> {
  expectSaid(await rig.download(), 11, 'clip-2.mp4');
  expect(rig.files()).toEqual(['clip-2.mp4', 'clip.mp4']);
  expect(sha256(readFileSync(rig.path('clip-2.mp4')))).toBe(sha256(rig.content));
}

describe('what stands under the name already (F62, F49)', () => {
  it('a symbolic link is replaced, never followed', async () => {
    const rig = await useDownloadRig();
    rig.write('../victim', 'untouched');
    symlinkSync('../victim', rig.path());
    expect((await rig.download([...OUTPUT, '--overwrite'])).code).toBe(0);
    expect([rig.read('../victim'), lstatSync(rig.path()).isFile()]).toEqual(['untouched', true]);
    expectSaved(rig);
  });

  it('a dangling link does not make its target', async () => {
    const rig = await useDownloadRig();
    symlinkSync(join(rig.folder, 'nowhere'), rig.path());
    await expectBeside(rig);
    expect(readdirSync(rig.folder)).not.toContain('nowhere');
  });

  it.each<[string, (rig: Rig) => void, RegExp]>([
    ['a file', (rig) => rig.write('clip.mp4', 'mine'), /exists already/],
    ['a link', (rig) => symlinkSync('elsewhere', rig.at('clip.mp4')), /exists already/],
    ['a pipe', (rig) => execFileSync('mkfifo', [rig.at('clip.mp4')]), /a device or a pipe/],
  ])('%s: refused before anything is paid for, exit 11', async (_, make, reason) => {
    const rig = await useRig();
    make(rig);
    expectSaid(await rig.generate(), 11, reason);
    expect([rig.posts(), readdirSync(rig.work)]).toEqual([0, ['clip.mp4']]);
  });

  it('a folder: the clip goes into it, under its own name', async () => {
    const rig = await useRig();
    mkdirSync(rig.at('clip.mp4'));
    expect((await rig.generate()).code).toBe(0);
    expect(readdirSync(rig.at('clip.mp4'))).toEqual([expect.stringMatching(/^a-paper-boat-.*\.mp4$/)]);
  });

  it('a file that comes in the meantime: the clip gets a number, and both stay (F50)', async () => {
    const rig = await useDownloadRig();
    rig.host.always({ onRequest: () => rig.write('clip.mp4', 'precious') });
    await expectBeside(rig);
    expect(rig.read('clip.mp4')).toBe('precious');
  });

  it('--skip-existing fetches nothing', async () => {
    const rig = await useDownloadRig();
    rig.write('clip.mp4', 'precious');
    expect((await rig.download([...OUTPUT, '--skip-existing'])).code).toBe(0);
    expect([rig.host.requests, rig.read('clip.mp4')]).toEqual([[], 'precious']);
  });
});

describe('the folder', () => {
  it('is made where it is missing', async () => {
    const rig = await useDownloadRig();
    expect((await rig.download(['-o', 'new/deep/'])).code).toBe(0);
    expect(readdirSync(rig.path('new/deep'))).toEqual([expect.stringMatching(/imcg5zqt\.mp4$/)]);
  });

  const rows = [
    ['is a file', 'taken/clip.mp4', '"'],
    ['is of a file system that can not be written', '/proc/clip.mp4', '/proc'],
    ['would get a name beyond the limit', `${'n'.repeat(252)}.mp4`, '256 bytes, at most 255'],
    // Root writes into it all the same.
    ...(process.getuid?.() === 0 ? [] : [['is read-only', 'fixed/clip.mp4', '']]),
  ];
  it.each(rows)('%s: exit 11, nothing paid', async (_what, output = '', says = '') => {
    const rig = await useRig();
    rig.write('taken', '');
    mkdirSync(rig.at('fixed'));
    chmodSync(rig.at('fixed'), 0o500);
    const result = await rig.run(['t2v', 'a paper boat', ...SMALL, '-o', output]);
    expectSaid(result, 11, says);
    expect(result.stderr).not.toContain('ENOTDIR');
    expect(rig.posts()).toBe(0);
  });

  it('turns read-only while the task runs: exit 11, the task is safe, and is saved elsewhere', async () => {
    const rig = await useDownloadRig();
    expect((await rig.download(['-o', '/proc/clip.mp4'])).code).toBe(11);
    expect((await rig.download()).code).toBe(0);
    expectSaved(rig);
  });

  it('takes a name at the limit of the file system', async () => {
    const rig = await useDownloadRig();
    const name = `${'n'.repeat(251)}.mp4`;
    expect((await rig.download(['-o', name])).code).toBe(0);
    expect(rig.files()).toEqual([name]);
  });
});
