import { describe, expect, it } from 'vitest';
import { each, expectSaid, homeForEach, jobFile, jsonOf } from '../helpers/rig.ts';

/** Job files, rows and prompts that would cost money or time for nothing. Nothing listens where requests would go. */
const home = homeForEach({ EVOLINK_BASE_URL: 'http://127.0.0.1:9', EVOLINK_API_KEY: 'sk-test-1234567890' });

const write = (jobs: string, output = '{job}.mp4') => home.write('r.yaml', jobFile(jobs, output));
const read = async (flags = '') => jsonOf(await home.run(`run r.yaml --dry-run --json ${flags}`));

describe('shards', () => {
  const names = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`);
  const shardsOf = async (count: number, more = ''): Promise<readonly string[][]> => {
    write(`p: { prompt: "A {{n}}", matrix: { n: [${names(count).join(', ')}] }${more} }`);
    const shards = [1, 2, 3, 4].map((index) => read(`--shard ${index}/4`));
    return (await Promise.all(shards)).map(({ jobs }) => each(jobs, 'name') as string[]);
  };

  it('follow from the name alone: other jobs, more jobs, longer jobs move none', async () => {
    const before = await shardsOf(40);
    const all = names(40).map((name) => `p/${name}`);
    expect(before.flat().sort()).toEqual(all.sort());
    const kept = before.map((shard) => shard.filter((name) => Number(name.slice(3)) < 9));
    expect(await shardsOf(9, ', duration: 15')).toEqual(kept);
  });

  it('say that names with a row number move, and that a budget is that of one shard', async () => {
    write('p: { prompt: "A {{what}}", for_each: [{ what: a }, { what: a }] }', '{index}.mp4');
    const { warnings } = await read('--shard 1/2 --max-credits 50');
    expect(warnings.join('\n')).toMatch(/row number/);
    expect(warnings.join('\n')).toMatch(/--max-credits 50 .*each shard/);
  });
});

it('templates fill in variables that use variables, rows too', async () => {
  const vars = 'vars: { tone: "warm {{time}} light", time: morning }';
  const job = 'p: { prompt: "{{what}}", for_each: [{ sku: a, what: "A frog, {{tone}}" }] }';
  home.write('r.yaml', `${vars}\n${jobFile(job)}`);
  expect((await read()).jobs[0]?.prompt).toBe('A frog, warm morning light');
});

describe('a prompt that was meant otherwise', () => {
  const t2v = (...args: string[]) => home.run(['t2v', ...args, '--dry-run']);

  it('is refused with what was probably meant, and sent with -p', async () => {
    expectSaid(await t2v('help'), 2, 'evolink help t2v');
    expect((await t2v('-p', 'help')).code).toBe(0);
    home.write('prompt.txt', 'A frog');
    expectSaid(await t2v('prompt.txt'), 2, '--prompt-file prompt.txt');
    expect(jsonOf(await t2v('-p', 'prompt.txt'))).toHaveProperty('prompt', 'prompt.txt');
    expect(jsonOf(await t2v('--prompt-file', 'prompt.txt'))).toHaveProperty('prompt', 'A frog');
    home.write('first.png', 'x');
    expect((await home.run(['i2v', 'first.png', '--dry-run'])).stderr).toContain('-i first.png');
  });

  it('shows no control or invisible character bare in the body of a dry run', async () => {
    const { code, stdout } = await t2v('a \u001b[31mred\u009b \u202eevil\u202c ##[error]x');
    expect(code).toBe(0);
    for (const bare of ['\u001b', '\u009b', '\u202e', '##[']) expect(stdout).not.toContain(bare);
    expect(JSON.parse(stdout).prompt).toContain('\u202eevil');
  });
});
