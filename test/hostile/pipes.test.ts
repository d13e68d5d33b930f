import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectSaid, GENERATION, type Rig, until, useRig } from '../helpers/rig.ts';

/** A pipe that nobody writes into: whoever opens it to read waits for ever. */
function makePipe(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  execFileSync('mkfifo', [path]);
}

/** Each place that a file is read from: how it becomes a pipe, and the command that reads it. */
const PLACES: readonly (readonly [string, (rig: Rig) => string, readonly string[], number])[] = [
  ['the project file', (rig) => rig.at('.evolinkrc'), ['config'], 2],
  ['the user file', (rig) => join(rig.folder, 'config/evolink/config.yaml'), ['config'], 2],
  ['a job file', (rig) => rig.at('p.yaml'), ['t2v', '-f', 'p.yaml'], 2],
  ['a job file of a run', (rig) => rig.at('p.yaml'), ['run', 'p.yaml'], 2],
  ['a job file to check', (rig) => rig.at('p.yaml'), ['check', 'p.yaml'], 2],
  ['a prompt file', (rig) => rig.at('p.txt'), ['t2v', '--prompt-file', 'p.txt'], 2],
  ['an image', (rig) => rig.at('p.png'), ['i2v', 'x', '-i', 'p.png'], 2],
  ['an image to check', (rig) => rig.at('p.png'), ['check', 'p.png'], 2],
  ['an image to upload', (rig) => rig.at('p.png'), ['upload', 'p.png'], 2],
  ['a reference video', (rig) => rig.at('p.mp4'), ['ref', 'x', '--video', 'p.mp4'], 2],
  ['a report to merge', (rig) => rig.at('p.json'), ['report', 'merge', 'p.json', '--report', 'r.html'], 2],
];

describe.runIf(process.platform === 'linux' || process.platform === 'darwin')(
  'a pipe or a device where a file is read',
  () => {
    it.each(PLACES)('%s: refused at once', async (_name, pathOf, args, exit) => {
      const rig = await useRig();
      makePipe(pathOf(rig));
      expectSaid(await rig.run(args), exit, /not a regular file/);
      rmSync(pathOf(rig));
      symlinkSync('/dev/zero', pathOf(rig));
      expectSaid(await rig.run(args), exit, /not a regular file|symbolic link/);
      expect(rig.posts()).toBe(0);
    });

    it('the rows of a job: refused at once', async () => {
      const rig = await useRig();
      makePipe(rig.at('rows.csv'));
      const job = 'version: 1\njobs: { a: { prompt: "{{k}}", for_each: rows.csv, output: "{k}.mp4" } }\n';
      writeFileSync(rig.at('jobs.yaml'), job);
      expectSaid(await rig.run(['run', 'jobs.yaml', '--dry-run']), 2, 'not a regular file');
    });

    it('the key file: refused at once', async () => {
      const rig = await useRig();
      makePipe(rig.at('key'));
      const env = { EVOLINK_API_KEY_FILE: rig.at('key') };
      const wrapper = ['env', '-u', 'EVOLINK_API_KEY'];
      expectSaid(await rig.run(['credits'], { env, wrapper }), 3, 'not a regular file');
    });

    it('a pipe of the shell is read where a person names it', async () => {
      const rig = await useRig();
      const wrapper = [
        'bash',
        '--norc',
        '-c',
        '"$0" "$@" --prompt-file <(echo a paper boat) --dry-run --json',
      ];
      const { code, stdout } = await rig.run(['t2v'], { wrapper });
      expect(code).toBe(0);
      expect(stdout).toContain('"prompt":"a paper boat"');
    });

    it.each([
      ['the record of a part: the download starts anew', '.part.json', [0]],
      ['a part: the download goes to a name of its own, or says so', '.part', [0, 11]],
    ])('%s', async (_what, end, exits) => {
      const faults = 'link:cut@3000000(stall)';
      const rig = await useRig({ rate: 5, clipBytes: 4_000_000, sandbox: { faults } });
      const running = rig.start(GENERATION);
      await until('a part is there', () => rig.partName() !== undefined);
      running.child.kill('SIGKILL');
      await running.done;
      const name = readdirSync(rig.work).find((each) => each.endsWith(end));
      if (name === undefined) throw new Error('a part has a record');
      makePipe(rig.at(name));
      expect(exits).toContain((await rig.run('resume --json')).code);
      expect(rig.posts()).toBe(1);
    });

    it('a sidecar, a lock and a record of a task: nothing waits for them', async () => {
      const rig = await useRig();
      makePipe(rig.at('clip.mp4.json'));
      const { code, stderr } = await rig.run('t2v "a boat" -d 4 -q 480p -o clip.mp4 --sidecar');
      expect([code, rig.posts()]).toEqual([11, 0]);
      expect(stderr).toContain('clip.mp4.json');
      rmSync(rig.at('clip.mp4.json'));
      await rig.run([...GENERATION, '--no-wait']);
      const open = join(rig.state, 'tasks/open');
      const [name = ''] = readdirSync(open).filter((each) => each.endsWith('.json'));
      renameSync(join(open, name), join(open, `${name}.kept`));
      makePipe(join(open, name));
      const again = await rig.run(GENERATION);
      expect(again.code).not.toBe(1);
      expect(rig.charges()).toBe(1);
      expect((await rig.run(['status'])).code).not.toBe(1);
    });
  },
);
