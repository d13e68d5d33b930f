import { describe, expect, it } from 'vitest';
import { expectSaid, homeForEach, jsonOf } from '../helpers/rig.ts';

/** Job files, rows and prompts that would cost money or time for nothing. Nothing listens where requests would go. */
const home = homeForEach({ EVOLINK_BASE_URL: 'http://127.0.0.1:9', EVOLINK_API_KEY: 'sk-test-1234567890' });

const write = (name: string, text: string): void => home.write(name, text);
const HEAD = 'version: 1\ndefaults: { type: t2v, tier: mini, quality: 480p, duration: 4 }\n';
const plan = (...args: string[]) => home.run(['run', 'r.yaml', '--dry-run', '--json', ...args]);

interface Plan {
  readonly jobs: readonly { readonly name: string; readonly prompt: string; readonly path: string }[];
  readonly warnings: readonly string[];
}
const read = async (...args: string[]): Promise<Plan> => jsonOf(await plan(...args));

describe('shards', () => {
  const names = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`);
  const namesOf = async (...args: string[]) => (await read(...args)).jobs.map(({ name }) => name);
  const file = (list: readonly string[]) =>
    `${HEAD}jobs:\n  p: { prompt: "A {{n}}", output: "{job}.mp4", matrix: { n: [${list.join(', ')}] } }\n`;

  it('follow from the name alone: other jobs, more jobs, longer jobs move none', async () => {
    write('r.yaml', file(names(40)));
    const before = await Promise.all([1, 2, 3, 4].map((index) => namesOf('--shard', `${index}/4`)));
    expect(before.flat().sort()).toEqual(
      names(40)
        .map((name) => `p/${name}`)
        .sort(),
    );
    write('r.yaml', file(names(40).slice(0, 9)).replace('duration: 4', 'duration: 15'));
    for (const [index, old] of before.entries()) {
      const now = await namesOf('--shard', `${index + 1}/4`);
      expect(now).toEqual(old.filter((name) => Number(name.slice(3)) < 9));
    }
  });

  it('say that names with a row number move, and that a budget is that of one shard', async () => {
    write(
      'r.yaml',
      `${HEAD}jobs:\n  p: { prompt: "A {{what}}", output: "{index}.mp4", for_each: [{ what: a }, { what: a }] }\n`,
    );
    const { warnings } = await read('--shard', '1/2', '--max-credits', '50');
    expect(warnings.join('\n')).toMatch(/row number/);
    expect(warnings.join('\n')).toMatch(/--max-credits 50 .*each shard/);
  });
});

describe('templates', () => {
  it('fill in variables that use variables, rows too', async () => {
    write(
      'r.yaml',
      `${HEAD}vars: { tone: "warm {{time}} light", time: morning }\njobs:\n  p: { prompt: "{{what}}", output: "{job}.mp4", for_each: [{ sku: a, what: "A frog, {{tone}}" }] }\n`,
    );
    expect((await read()).jobs[0]?.prompt).toBe('A frog, warm morning light');
  });
});

describe('a prompt that was meant otherwise', () => {
  const t2v = (...args: string[]) => home.run(['t2v', ...args, '--dry-run']);

  it('is refused with what was probably meant, and sent with -p', async () => {
    const help = await t2v('help');
    expectSaid(help, 2, 'evolink help t2v');
    expect((await t2v('-p', 'help')).code).toBe(0);
    write('prompt.txt', 'A frog');
    const file = await t2v('prompt.txt');
    expectSaid(file, 2, '--prompt-file prompt.txt');
    expect(jsonOf(await t2v('-p', 'prompt.txt'))).toHaveProperty('prompt', 'prompt.txt');
    expect(jsonOf(await t2v('--prompt-file', 'prompt.txt'))).toHaveProperty('prompt', 'A frog');
    write('first.png', 'x');
    expect((await home.run(['i2v', 'first.png', '--dry-run'])).stderr).toContain('-i first.png');
  });

  it('shows no control or invisible character bare in the body of a dry run', async () => {
    const { code, stdout } = await t2v('a \u001b[31mred\u009b \u202eevil\u202c ##[error]x');
    expect(code).toBe(0);
    for (const bare of ['\u001b', '\u009b', '\u202e', '##[']) expect(stdout).not.toContain(bare);
    expect(JSON.parse(stdout).prompt).toContain('\u202eevil');
  });
});
