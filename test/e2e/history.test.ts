import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();

const run = (...args: string[]) => rig.run(args);
const make = (prompt: string, ...args: string[]) =>
  run('t2v', prompt, '-d', '4', '-q', '480p', '-o', `${prompt.replaceAll(' ', '-')}.mp4`, ...args);
const historyOf = async (...args: string[]) =>
  JSON.parse((await run('history', '--json', ...args)).stdout).tasks;

it('lists ended tasks, newest first, and marks clips that are gone', async () => {
  for (const prompt of ['one boat', 'two boats']) expect((await make(prompt)).code).toBe(0);
  rig.sandbox.addFaults('task:fail(content_policy_violation)');
  expect((await make('no boat')).code).not.toBe(0);
  rmSync(join(rig.work, 'one-boat.mp4'));
  const prompts = (tasks: { prompt: string }[]) => tasks.map(({ prompt }) => prompt);
  expect(prompts(await historyOf())).toEqual(['no boat', 'two boats', 'one boat']);
  expect(prompts(await historyOf('--limit', '1'))).toEqual(['no boat']);
  expect(prompts(await historyOf('--failed'))).toEqual(['no boat']);
  expect(await historyOf()).toMatchObject([
    { state: 'failed', path: null },
    { state: 'saved', missing: false, duration: 4, quality: '480p' },
    { state: 'saved', missing: true },
  ]);
  expect((await run('history')).stdout).toMatch(/one-boat\.mp4 \(gone\)/);
  expect(await run('history', '--since', 'x')).toMatchObject({ code: 2 });
});

it('shows one task by id, part of it, last, or its clip', async () => {
  await make('one boat');
  await make('two boats');
  const [{ id }] = await historyOf();
  for (const name of [id, id.slice(-8), 'last', 'two-boats.mp4']) {
    const { task, request } = JSON.parse((await run('show', name, '--json')).stdout);
    expect([task.id, request.prompt]).toEqual([id, 'two boats']);
  }
  expect(await run('show', 'nothing.mp4')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('evolink history'),
  });
});

it('submits the request of a task once more, with changes, only when told to', async () => {
  await make('one boat');
  expect(await run('again', 'last')).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
  expect(rig.posts()).toBe(1);
  const before = readFileSync(join(rig.work, 'one-boat.mp4'));
  expect((await run('again', 'last', '--yes', '-d', '5')).code).toBe(0);
  expect(rig.posts()).toBe(2);
  expect(readFileSync(join(rig.work, 'one-boat.mp4'))).toEqual(before);
  expect(await historyOf()).toMatchObject([
    { prompt: 'one boat', duration: 5, quality: '480p' },
    { prompt: 'one boat', duration: 4, quality: '480p' },
  ]);
});

it('names the cost of a new task once, and sends fields that it does not know again', async () => {
  expect((await make('one boat', '--set', 'generate_audio_style="calm"')).code).not.toBe(0);
  await make('one boat');
  const asked = await run('again', 'last');
  expect(asked).toMatchObject({ code: 2, stdout: '' });
  expect(asked.stderr.match(/credits/g)).toHaveLength(1);
  const { error } = JSON.parse((await run('again', 'last', '--json')).stdout);
  expect(`${error.message} ${error.hint}`.match(/credits/g)).toHaveLength(1);
  expect(error.hint).toMatch(/^add --yes; it costs about \d+\.\d+ credits$/);
  const told = await run('again', 'last', '--yes');
  expect(told.code).toBe(0);
  expect(told.stderr.match(/plan: .* credits/g)).toHaveLength(1);
  expect(rig.posts()).toBe(3);
});

it('makes several takes of the request of a task, with one question and one budget', async () => {
  await make('one boat');
  const takes = (...args: string[]) => run('again', 'last', '--count', '2', '--json', ...args);
  const { error } = JSON.parse((await takes()).stdout);
  expect(error).toMatchObject({ code: 'usage', message: expect.stringContaining('as 2 new tasks') });
  expect(await takes('--yes', '--max-credits', '1')).toMatchObject({ code: 4 });
  expect(rig.posts()).toBe(1);
  const { code, stdout } = await takes('--yes', '-d', '5');
  expect(code).toBe(0);
  const { jobs } = JSON.parse(stdout);
  expect(jobs.map((job: { name: string }) => job.name)).toEqual(['one-boat/1', 'one-boat/2']);
  expect(jobs.map((job: { request: object }) => job.request)).toMatchObject([
    { duration: 5, quality: '480p' },
    { duration: 5, quality: '480p' },
  ]);
  expect(rig.posts()).toBe(3);
});

it('does not submit again what is pending or uncertain', async () => {
  rig.sandbox.addFaults('task:slow@1000');
  const { stdout } = await make('one boat', '--no-wait');
  expect(await run('again', stdout.trim(), '--yes')).toMatchObject({
    code: 7,
    stderr: expect.stringContaining('resume'),
  });
  rig.sandbox.addFaults('submit:reset(after); list:404');
  expect((await make('two boats')).code).toBe(8);
  expect(await run('again', 'last', '--yes')).toMatchObject({
    code: 8,
    stderr: expect.stringContaining('resume'),
  });
  expect(rig.posts()).toBe(2);
});

it('erases prompts and paths, and keeps the credits', async () => {
  await make('one boat');
  const credits = async () => JSON.parse((await run('credits', '--json')).stdout).journal;
  const before = await credits();
  expect(await run('history', '--erase', '--yes')).toMatchObject({ code: 2 });
  expect(await run('history', '--erase', '--before', '0s')).toMatchObject({ code: 2 });
  expect(await historyOf()).toMatchObject([{ prompt: 'one boat' }]);
  const { stdout } = await run('history', '--erase', '--before', '0s', '--yes', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, erased: 1 });
  expect(await historyOf()).toMatchObject([
    { prompt: '', path: null, duration: 4, credits: before.ended.used },
  ]);
  expect(await credits()).toEqual(before);
});

it('erases no record that another process works on', async () => {
  await make('one boat');
  const before = await historyOf();
  const running = rig.start([
    't2v',
    'one boat',
    '-d',
    '4',
    '-q',
    '480p',
    '-o',
    'one-boat.mp4',
    '--overwrite',
  ]);
  rig.sandbox.addFaults('task:slow@1000');
  await running.sees('accepted');
  const erased = await run('history', '--erase', '--before', '0s', '--yes');
  expect(erased).toMatchObject({ code: 0, stderr: expect.stringContaining('erased 0 records; 1 in use') });
  expect(await historyOf()).toEqual(before);
  running.child.kill('SIGKILL');
  await running.done;
});

it('says where a request was made with another key', async () => {
  await make('one boat');
  const show = async (env = {}) =>
    JSON.parse((await rig.run(['show', 'last', '--json'], { env })).stdout).other_key;
  expect([await show(), await show({ EVOLINK_API_KEY: 'sk-another-1234567890' })]).toEqual([false, true]);
  expect(await show({ EVOLINK_API_KEY: '' })).toBe(false);
  const again = await rig.run(['again', 'last', '--yes', '--no-wait'], {
    env: { EVOLINK_API_KEY: 'sk-another-1234567890' },
  });
  expect(again.stderr).toContain('as a new task, with another key than the first time');
  expect((await run('again', 'last', '--yes', '--no-wait')).code).toBe(7);
});

it('forgets a task of a local service that was stopped, when told to', async () => {
  rig.sandbox.addFaults('task:slow@1000');
  const { stdout } = await make('one boat', '--no-wait');
  const id = stdout.trim();
  await rig.sandbox.close();
  const env = { EVOLINK_BASE_URL: '', EVOLINK_API_KEY: '' };
  const forget = (...args: string[]) => rig.run(['forget', id, ...args], { env });
  expect(await forget()).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/nothing listens at .*--yes/s),
  });
  expect(await forget('--yes')).toMatchObject({
    code: 0,
    stderr: expect.stringContaining(`dismissed: ${id}`),
  });
  expect(await rig.run(['status'], { env })).toMatchObject({ stderr: 'nothing is unfinished or unsaved\n' });
});

it.skipIf(process.platform === 'win32')('opens a clip that is a video, and nothing else', async () => {
  const bin = join(rig.work, 'bin');
  const key = 'sk-test-0987654321';
  mkdirSync(bin);
  for (const name of ['xdg-open', 'open']) {
    writeFileSync(join(bin, name), `#!/bin/sh\nprintf '%s' "$1" > opened\nenv > environment\n`);
    chmodSync(join(bin, name), 0o755);
  }
  await make('one boat');
  const path = join(rig.work, 'one-boat.mp4');
  const open = () =>
    rig.run(['open', 'last'], {
      asProcess: true,
      env: {
        PATH: `${bin}:${process.env.PATH}`,
        EVOLINK_API_KEY: key,
        COPY: `Bearer ${key}`,
        KEPT: 'yes',
      },
    });
  expect(await open()).toMatchObject({ code: 0 });
  expect(readFileSync(join(rig.work, 'opened'), 'utf8')).toBe(path);
  const environment = readFileSync(join(rig.work, 'environment'), 'utf8');
  expect(environment).toContain('KEPT=yes');
  expect(environment).not.toContain(key);
  expect(environment).not.toContain('EVOLINK_API_KEY');
  rmSync(join(rig.work, 'opened'));
  writeFileSync(path, '#!/bin/sh\n');
  expect((await open()).code).not.toBe(0);
  expect(() => readFileSync(join(rig.work, 'opened'))).toThrow();
});

it('prints a skill for agents, and writes it where there is none', async () => {
  const { code, stdout } = await run('skill');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^---\nname: evolink\ndescription: .+\n---\n/);
  expect(stdout).toContain('--aspect-ratio');
  expect(stdout).not.toContain('<!--');
  const install = () => run('skill', '--install', 'agents/evolink');
  expect(await install()).toMatchObject({ code: 0, stdout: expect.stringContaining('SKILL.md') });
  expect(readFileSync(join(rig.work, 'agents/evolink/SKILL.md'), 'utf8')).toBe(stdout);
  expect(await install()).toMatchObject({ code: 11 });
});
