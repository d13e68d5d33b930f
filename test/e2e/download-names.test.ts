import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectSaved, TASK_ID, useDownloadRig } from '../helpers/download-rig.ts';
import { expectSaid, sha256, useRig } from '../helpers/rig.ts';

const SMALL = ['-d', '4', '-q', '480p', '--json'];

describe('a name from the prompt', () => {
  it.each<[string, string]>([
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
    const { code, stdout, stderr } = await rig.run(['t2v', ...SMALL, '-p', prompt]);
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    const { path } = JSON.parse(stdout);
    expect(dirname(path)).toBe(rig.work);
    expect(basename(path).startsWith(`${slug}`)).toBe(true);
    expect(basename(path)).toMatch(/^[^.-][^/\\:*?"<>|]*\.mp4$/u);
    expect(readdirSync(rig.work)).toEqual([basename(path)]);
    expect(basename(path)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  it('a device name of Windows, alone in a pattern, gets a mark', async () => {
    const rig = await useRig();
    const { stdout } = await rig.run(['t2v', 'CON', ...SMALL, '-o', '{slug}.mp4']);
    expect(basename(JSON.parse(stdout).path)).toBe('con_.mp4');
  });

  it('never leaves the folder that was asked for', async () => {
    const rig = await useRig();
    const { stdout } = await rig.run(['t2v', '-p', '../../../tmp/x', ...SMALL, '-o', 'a/b/{slug}/{id}.mp4']);
    const { path } = JSON.parse(stdout);
    expect(relative(join(rig.work, 'a', 'b'), path).startsWith('..')).toBe(false);
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
    rig.answerWith(() =>
      rig.task({ results: [`${rig.host.origin}/%2e%2e%2f%2e%2e/x.exe?signature=secret`] }),
    );
    expect((await rig.download([])).code).toBe(0);
    expect(rig.files()).toEqual([expect.stringMatching(/^[a-z0-9-]*imcg5zqt\.mp4$/)]);
  });

  it.each(['../../x', 'task-..', 'a/b', '.hidden', 'x\u202ey'])(
    'a task id %j never becomes a path or a request',
    async (id) => {
      const rig = await useDownloadRig();
      expect((await rig.run(['download', id])).code).toBe(2);
      expect(rig.files()).toEqual([]);
      expect(rig.questions).toEqual([]);
    },
  );
});

describe('what stands under the name already (F62, F49)', () => {
  it('a symbolic link is replaced, never followed', async () => {
    const rig = await useDownloadRig();
    writeFileSync(join(rig.folder, 'victim'), 'untouched');
    symlinkSync(join(rig.folder, 'victim'), rig.path());
    expect((await rig.download(['-o', 'clip.mp4', '--overwrite'])).code).toBe(0);
    expect(readFileSync(join(rig.folder, 'victim'), 'utf8')).toBe('untouched');
    expect(lstatSync(rig.path()).isFile()).toBe(true);
    expectSaved(rig);
  });

  it('a dangling link does not make its target', async () => {
    const rig = await useDownloadRig();
    symlinkSync(join(rig.folder, 'nowhere'), rig.path());
    expectSaid(await rig.download(), 11, 'clip-2.mp4');
    expect(rig.files()).toEqual(['clip-2.mp4', 'clip.mp4']);
    expect(readdirSync(rig.folder)).not.toContain('nowhere');
    expect(sha256(readFileSync(rig.path('clip-2.mp4')))).toBe(sha256(rig.content));
  });

  it.each<[string, (path: string) => void, RegExp]>([
    ['a file', (path) => writeFileSync(path, 'mine'), /exists already/],
    ['a link', (path) => symlinkSync('elsewhere', path), /exists already/],
    ['a pipe', (path) => execFileSync('mkfifo', [path]), /a device or a pipe/],
  ])('%s: refused before anything is paid for, exit 11', async (_, make, reason) => {
    const rig = await useRig();
    make(rig.clipPath());
    const { code, stderr } = await rig.generate();
    expect([code, rig.posts()]).toEqual([11, 0]);
    expect(stderr).toMatch(reason);
    expect(readdirSync(rig.work)).toEqual(['clip.mp4']);
  });

  it('a folder: the clip goes into it, under its own name', async () => {
    const rig = await useRig();
    mkdirSync(rig.clipPath());
    expect((await rig.generate()).code).toBe(0);
    expect(readdirSync(rig.clipPath())).toEqual([expect.stringMatching(/^a-paper-boat-.*\.mp4$/)]);
  });

  it('a file that comes in the meantime: the clip gets a number, and both stay (F50)', async () => {
    const rig = await useDownloadRig();
    rig.host.always({ onRequest: () => writeFileSync(rig.path(), 'precious') });
    expectSaid(await rig.download(), 11, 'clip-2.mp4');
    expect(readFileSync(rig.path(), 'utf8')).toBe('precious');
    expect(sha256(readFileSync(rig.path('clip-2.mp4')))).toBe(sha256(rig.content));
  });

  it('--skip-existing fetches nothing', async () => {
    const rig = await useDownloadRig();
    writeFileSync(rig.path(), 'precious');
    expect((await rig.download(['-o', 'clip.mp4', '--skip-existing'])).code).toBe(0);
    expect(rig.host.requests).toEqual([]);
    expect(readFileSync(rig.path(), 'utf8')).toBe('precious');
  });
});

describe('the folder', () => {
  it('is made where it is missing', async () => {
    const rig = await useDownloadRig();
    expect((await rig.download(['-o', 'new/deep/'])).code).toBe(0);
    expect(readdirSync(rig.path('new/deep'))).toEqual([expect.stringMatching(/imcg5zqt\.mp4$/)]);
  });

  it('is a file: exit 11, nothing paid', async () => {
    const rig = await useRig();
    writeFileSync(rig.clipPath('taken'), '');
    const { code, stderr } = await rig.run(['t2v', 'a paper boat', ...SMALL, '-o', 'taken/clip.mp4']);
    expect([code, rig.posts()]).toEqual([11, 0]);
    expect(stderr).toContain('"');
    expect(stderr).not.toContain('ENOTDIR');
  });

  it.skipIf(process.getuid?.() === 0)('is read-only: exit 11, nothing paid', async () => {
    const rig = await useRig();
    mkdirSync(rig.clipPath('fixed'));
    chmodSync(rig.clipPath('fixed'), 0o500);
    const { code } = await rig.run(['t2v', 'a paper boat', ...SMALL, '-o', 'fixed/clip.mp4']);
    expect([code, rig.posts()]).toEqual([11, 0]);
  });

  it('is of a file system that can not be written: exit 11, nothing paid', async () => {
    const rig = await useRig();
    const { code, stderr } = await rig.run(['t2v', 'a paper boat', ...SMALL, '-o', '/proc/clip.mp4']);
    expect([code, rig.posts()]).toEqual([11, 0]);
    expect(stderr).toContain('/proc');
  });

  it('turns read-only while the task runs: exit 11, the task is safe, and is saved elsewhere', async () => {
    const rig = await useDownloadRig();
    const { code } = await rig.download(['-o', '/proc/clip.mp4']);
    expect(code).toBe(11);
    expect((await rig.run(['download', TASK_ID, '-o', 'clip.mp4'])).code).toBe(0);
    expectSaved(rig);
  });
});

describe('long names', () => {
  it('at the limit of the file system: saved under it', async () => {
    const rig = await useDownloadRig();
    const name = `${'n'.repeat(251)}.mp4`;
    expect((await rig.download(['-o', name])).code).toBe(0);
    expect(rig.files()).toEqual([name]);
  });

  it('beyond it: exit 11 before anything is paid for', async () => {
    const rig = await useRig();
    const { code, stderr } = await rig.run(['t2v', 'a boat', ...SMALL, '-o', `${'n'.repeat(252)}.mp4`]);
    expect([code, rig.posts()]).toEqual([11, 0]);
    expect(stderr).toContain('256 bytes, at most 255');
  });
});
