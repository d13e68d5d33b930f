import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { expectSaid, rigForAll } from '../helpers/rig.ts';
import { words } from '../helpers/spawn-cli.ts';

/** A terminal title, a C1 sequence, a reversed name, and lines that CI runners obey. No slash: it is one file name. */
const EVIL = 'a\u001b]0;t\u0007\u009b31m\u202eb\r\n::set-output name=x::y\n  ##[error]z\n##vso[task.x]q';
const HOSTILE_ENV = { GITHUB_ACTIONS: 'true', CI: 'true' };

const rig = rigForAll({ rate: 100 });
let folder: string;

beforeAll(() => {
  folder = rig.at(EVIL);
  mkdirSync(folder);
  for (const end of ['', '.png', '.json', '.yaml', '.csv', '.mp4'])
    writeFileSync(join(folder, EVIL + end), `nothing of use ${EVIL}`);
  copyFileSync(fixture('png.png'), join(folder, `good-${EVIL}.png`));
  mkdirSync(join(folder, 'settings'));
  writeFileSync(join(folder, 'settings/.evolinkrc'), `${JSON.stringify({ [EVIL]: EVIL, quality: EVIL })}\n`);
  const job = { type: 't2v', prompt: EVIL, duration: 4, quality: '480p', tier: 'mini' };
  const write = (name: string, value: object) => writeFileSync(join(folder, name), JSON.stringify(value));
  const writeJob = (name: string, more: object, output = 'x.mp4', as = 'a') =>
    write(name, { version: 1, jobs: { [as]: { ...job, output, ...more } } });
  writeJob('names.json', {}, 'x.mp4', EVIL);
  writeJob('keys.json', { [EVIL]: EVIL, quality: EVIL });
  writeJob('output.json', {}, `${EVIL}.mp4`);
  writeJob('rows.json', { for_each: `${EVIL}.csv` }, '{k}.mp4');
  writeJob('values.json', { matrix: { k: [EVIL, 'b'] } }, 'x-{index}.mp4');
  writeJob('media.json', { type: 'i2v', images: [`${EVIL}.png`] });
  write('single.json', { ...job, callback_url: `https://h.example/${EVIL}` });
  write('report.json', { kind: EVIL });
});

/** What no stream may carry where no colours are asked for: controls, bidirectional marks, commands for a CI runner. */
function hostileLines(text: string): string[] {
  const isHostile = /[^\P{Cc}\t]|\p{Bidi_Control}|^\s*(?:::|##)|##(?=\w*\[)/u;
  // Annotations of ours are commands on purpose; what they say is escaped.
  const isOurs = /^::(?:error|warning|notice)(?: [^:]*)?::/;
  return text.split('\n').filter((line) => isHostile.test(line.replace(isOurs, '')));
}

/** A command line with a hostile name in each place that says EVIL; titles of tests are printed too. */
const argsOf = (line: string) =>
  words(line.replace('SMALL', '-d 4 -q 480p')).map((word) => word.replaceAll('EVIL', EVIL));
/** Every command, with a hostile name in each place that takes a name, a path, a value or a text. */
const PLACES = `
EVIL | --EVIL | help EVIL | status | status EVIL | status --prune EVIL | credits | credits EVIL | doctor | schema EVIL
t2v EVIL -o p.mp4 SMALL | t2v EVIL -o p.mp4 SMALL --dry-run | t2v -p EVIL -o p2.mp4 --verbose SMALL | t2v x EVIL
t2v x -o EVIL.mp4 SMALL | t2v x -o EVIL/ SMALL | t2v x -o {EVIL}.mp4 SMALL | t2v --prompt-file missing-EVIL
t2v --prompt-file EVIL -o p3.mp4 --dry-run SMALL | t2v -f EVIL.yaml | t2v -f missing-EVIL.yaml
t2v -f single.json --dry-run | t2v -f names.json --job EVIL --dry-run | t2v -f names.json --job missing-EVIL
t2v x --model EVIL | t2v x --model EVIL --dry-run | t2v x --tier EVIL | t2v x -d EVIL | t2v x -q EVIL | t2v x -r EVIL
t2v x --callback-url https://h.example/EVIL --dry-run | t2v x --callback-url EVIL
t2v x --timeout EVIL | t2v x --max-credits EVIL | i2v x -i EVIL.png | i2v x -i missing-EVIL.png
i2v x -i good-EVIL.png -o i.mp4 SMALL | i2v x -i good-EVIL.png -o i2.mp4 --dry-run SMALL
i2v x -i https://h.example/EVIL.png --dry-run SMALL
ref x -i good-EVIL.png -o r.mp4 --verbose SMALL | ref x -i missing-EVIL
run EVIL.yaml | run missing-EVIL.yaml | run names.json --dry-run | run names.json --yes --report n.json --report n.md
run keys.json --dry-run | run output.json --dry-run | run output.json --yes | run rows.json --dry-run
run values.json --dry-run --verbose | run values.json --yes | run media.json --dry-run
run names.json --only EVIL --dry-run | run names.json --skip *EVIL --dry-run | run names.json --shard EVIL
run names.json --yes --report EVIL/x.json | run names.json --yes --report EVIL.txt | run --init EVIL.json
check EVIL.png good-EVIL.png missing-EVIL.png EVIL.yaml | check media.json
upload EVIL.png | upload good-EVIL.png | upload --list | upload --delete EVIL
download EVIL | download task-unified-1700000000-abcdef -o EVIL.mp4
resume EVIL | resume --resubmit EVIL | resume 20261101-000000-aaaaaa --task EVIL
config | config init | report EVIL | report merge EVIL.json | report merge missing-EVIL.json
report merge report.json --report EVIL.txt | sandbox --faults EVIL | sandbox --port EVIL | completion EVIL`;

/** A variable of the environment that is hostile, and with it commands that read it. */
const VARIABLES = `EVOLINK_BASE_URL=https://h.example/EVIL EVOLINK_BASE_URL=EVIL EVOLINK_FILES_URL=EVIL
EVOLINK_OUTPUT=EVIL.mp4 EVOLINK_QUALITY=EVIL EVOLINK_STATE_DIR=/dev/null/EVIL EVOLINK_API_KEY=EVIL
EVOLINK_API_KEY_FILE=EVIL HTTPS_PROXY=EVIL LANG=EVIL settings=file`;

/** Runs a command where the files are; nothing that it says may be hostile. */
async function expectInert(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd = folder,
) {
  const { code, stdout, stderr } = await rig.run(args, { cwd, env: { ...HOSTILE_ENV, ...env } });
  expect([hostileLines(stderr), hostileLines(stdout)]).toEqual([[], []]);
  return code;
}

describe('a hostile name stays inert on the terminal and in a CI log', () => {
  it.each(PLACES.trim().split(/\n| \| /))('%s', async (line) => {
    for (const more of [[], ['--debug'], ['--json']])
      expect([1, 13]).not.toContain(await expectInert([...argsOf(line), ...more]));
  });

  it.each(VARIABLES.split(/\s/))('%s', async (setting) => {
    const [name = '', value = ''] = setting.split('=');
    const env = { [name]: value.replace('EVIL', EVIL) };
    for (const line of ['t2v x --dry-run', 'doctor --debug', 'config', 'credits'])
      await expectInert(argsOf(line), env, name === 'settings' ? join(folder, name) : folder);
  });

  it.each([10, 27, 0x202e, 13, 0x9b])('an output with character %d is refused unpaid', async (code) => {
    const output = `sub/a${String.fromCodePoint(code)}b.mp4`;
    const before = rig.posts();
    expectSaid(await rig.run(['t2v', 'x', '-d', '4', '-q', '480p', '-o', output]), 2, 'control characters');
    expect(rig.posts()).toBe(before);
  });
});
