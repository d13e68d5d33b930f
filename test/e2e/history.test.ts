import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { each, errorOf, expectSaid, jsonOf, rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();

const run = (line: string) => rig.run(line);
const commandOf = (prompt: string, flags = '') =>
  `t2v "${prompt}" -d 4 -q 480p -o ${prompt.replaceAll(' ', '-')}.mp4 ${flags}`;
const make = (prompt = 'one boat', flags = '') => run(commandOf(prompt, flags));
const historyOf = async (flags = '') => jsonOf(await run(`history --json ${flags}`)).tasks;

it('lists ended tasks, newest first, and marks clips that are gone', async () => {
  for (const prompt of ['one boat', 'two boats']) expect((await make(prompt)).code).toBe(0);
  rig.sandbox.addFaults('task:fail(content_policy_violation)');
  expect((await make('no boat')).code).not.toBe(0);
  rmSync(rig.at('one-boat.mp4'));
  for (const flags of ['--limit 1', '--failed'])
    expect(each(await historyOf(flags), 'prompt')).toEqual(['no boat']);
  expect(await historyOf()).toMatchObject([
    { prompt: 'no boat', state: 'failed', path: null },
    { prompt: 'two boats', state: 'saved', missing: false, duration: 4, quality: '480p' },
    { prompt: 'one boat', state: 'saved', missing: true },
  ]);
  expect((await run('history')).stdout).toMatch(/one-boat\.mp4 \(gone\)/);
  expect((await run('history --since x')).code).toBe(2);
});

it('shows one task by id, part of it, last, or its clip', async () => {
  await make();
  await make('two boats');
  const [{ id }] = await historyOf();
  for (const name of [id, id.slice(-8), 'last', 'two-boats.mp4']) {
    const { task, request } = jsonOf(await run(`show ${name} --json`));
    expect([task.id, request.prompt]).toEqual([id, 'two boats']);
  }
  expectSaid(await run('show nothing.mp4'), 2, 'evolink history');
});

it('submits the request of a task once more, with changes, only when told to', async () => {
  await make();
  expectSaid(await run('again last'), 2, '--yes');
  expect(rig.posts()).toBe(1);
  const before = readFileSync(rig.at('one-boat.mp4'));
  expect([(await run('again last --yes -d 5')).code, rig.posts()]).toEqual([0, 2]);
  expect(readFileSync(rig.at('one-boat.mp4'))).toEqual(before);
  expect(await historyOf()).toMatchObject([
    { prompt: 'one boat', duration: 5, quality: '480p' },
    { prompt: 'one boat', duration: 4, quality: '480p' },
  ]);
});

it('does not submit again what is pending or uncertain', async () => {
  rig.sandbox.addFaults('task:slow@1000');
  const { stdout } = await make('one boat', '--no-wait');
  expectSaid(await run(`again ${stdout.trim()} --yes`), 7, 'resume');
  rig.sandbox.addFaults('submit:reset(after); list:404');
  expect((await make('two boats')).code).toBe(8);
  expectSaid(await run('again last --yes'), 8, 'resume');
  expect(rig.posts()).toBe(2);
});

it('erases prompts and paths, and keeps the credits', async () => {
  await make();
  const credits = async () => jsonOf(await run('credits --json')).journal;
  const before = await credits();
  for (const flags of ['--yes', '--before 0s']) expect((await run(`history --erase ${flags}`)).code).toBe(2);
  expect(await historyOf()).toMatchObject([{ prompt: 'one boat' }]);
  const erased = jsonOf(await run('history --erase --before 0s --yes --json'));
  expect(erased).toMatchObject({ ok: true, erased: 1 });
  const [left] = await historyOf();
  expect(left).toMatchObject({ prompt: '', path: null, duration: 4, credits: before.ended.used });
  expect(await credits()).toEqual(before);
});

it('erases no record that another process works on', async () => {
  await make();
  const before = await historyOf();
  rig.sandbox.addFaults('task:slow@1000');
  const running = rig.start(commandOf('one boat', '--overwrite'));
  await running.sees('accepted');
  expectSaid(await run('history --erase --before 0s --yes'), 0, 'erased 0 records; 1 in use');
  expect(await historyOf()).toEqual(before);
  running.child.kill('SIGKILL');
  await running.done;
});

it('says where a request was made with another key', async () => {
  await make();
  const asOther = { env: { EVOLINK_API_KEY: 'sk-another-1234567890' } };
  const isOther = async (options = {}) => jsonOf(await rig.run('show last --json', options)).other_key;
  expect([await isOther(), await isOther(asOther)]).toEqual([false, true]);
  expect(await isOther({ env: { EVOLINK_API_KEY: '' } })).toBe(false);
  const again = await rig.run('again last --yes --no-wait', asOther);
  expect(again.stderr).toContain('as a new task, with another key than the first time');
  expect((await run('again last --yes --no-wait')).code).toBe(7);
});

it('forgets a task of a local service that was stopped, when told to', async () => {
  rig.sandbox.addFaults('task:slow@1000');
  const id = (await make('one boat', '--no-wait')).stdout.trim();
  await rig.sandbox.close();
  const without = (line: string) => rig.run(line, { env: { EVOLINK_BASE_URL: '', EVOLINK_API_KEY: '' } });
  expectSaid(await without(`forget ${id}`), 2, /nothing listens at .*--yes/s);
  expectSaid(await without(`forget ${id} --yes`), 0, `dismissed: ${id}`);
  expect((await without('status')).stderr).toBe('nothing is unfinished or unsaved\n');
});

it('names the cost of a new task once, and sends fields that it does not know again', async () => {
  expect((await make('one boat', `--set 'generate_audio_style="calm"'`)).code).not.toBe(0);
  await make();
  const asked = await run('again last');
  expect(asked).toMatchObject({ code: 2, stdout: '' });
  expect(asked.stderr.match(/credits/g)).toHaveLength(1);
  const { message, hint } = errorOf(await run('again last --json'));
  expect(`${message} ${hint}`.match(/credits/g)).toHaveLength(1);
  expect(hint).toMatch(/^add --yes; it costs about \d+\.\d+ credits$/);
  const told = await run('again last --yes');
  expect([told.code, told.stderr.match(/plan: .* credits/g)?.length, rig.posts()]).toEqual([0, 1, 3]);
});

it('makes several takes of the request of a task, with one question and one budget', async () => {
  await make();
  const takes = (flags = '') => run(`again last --count 2 --json ${flags}`);
  const says = { code: 'usage', message: expect.stringContaining('as 2 new tasks') };
  expect(errorOf(await takes())).toMatchObject(says);
  expect([(await takes('--yes --max-credits 1')).code, rig.posts()]).toEqual([4, 1]);
  const made = await takes('--yes -d 5');
  expect([made.code, rig.posts()]).toEqual([0, 3]);
  const request = { duration: 5, quality: '480p' };
  expect(jsonOf(made).jobs).toMatchObject([1, 2].map((take) => ({ name: `one-boat/${take}`, request })));
});

it.skipIf(process.platform === 'win32')('opens a clip that is a video, and nothing else', async () => {
  const key = 'sk-test-0987654321';
  for (const name of ['bin/xdg-open', 'bin/open']) {
    rig.write(name, `#!/bin/sh\nprintf '%s' "$1" > opened\nenv > environment\n`);
    chmodSync(rig.at(name), 0o755);
  }
  await make();
  const PATH = `${rig.at('bin')}:${process.env.PATH}`;
  const env = { PATH, EVOLINK_API_KEY: key, COPY: `Bearer ${key}`, KEPT: 'yes' };
  const open = () => rig.run('open last', { asProcess: true, env });
  expect((await open()).code).toBe(0);
  expect(rig.read('opened')).toBe(rig.at('one-boat.mp4'));
  expect(rig.read('environment')).toContain('KEPT=yes');
  expect(rig.read('environment')).not.toMatch(new RegExp(`${key}|EVOLINK_API_KEY`));
  rmSync(rig.at('opened'));
  rig.write('one-boat.mp4', '#!/bin/sh\n');
  expect([(await open()).code === 0, existsSync(rig.at('opened'))]).toEqual([false, false]);
});

it('prints a skill for agents, and writes it where there is none', async () => {
  const { code, stdout } = await run('skill');
  expect([code, stdout.includes('<!--')]).toEqual([0, false]);
  expect(stdout).toMatch(/^---\nname: evolink\ndescription: .+\n---\n[\s\S]*--aspect-ratio/);
  const install = () => run('skill --install agents/evolink');
  expect(await install()).toMatchObject({ code: 0, stdout: expect.stringContaining('SKILL.md') });
  expect(rig.read('agents/evolink/SKILL.md')).toBe(stdout);
  expect((await install()).code).toBe(11);
});
