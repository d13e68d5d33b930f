import { existsSync, readdirSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen } from '../helpers/serve.ts';
import { createCliHome, words } from '../helpers/spawn-cli.ts';

const KEY = 'sk-test-0123456789abcdef';
const PNG = 'https://example.com/a.png';
const times = (count: number, text: string): string => `${text} `.repeat(count);

interface Given {
  /** Default 2. */
  readonly exit?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string | Buffer>>;
  readonly stdin?: string;
}
/** A command line (without a command: of `t2v "a frog"`), what the message says, and what the command finds. */
type Row = readonly [line: string, says: string | RegExp, given?: Given];
/** A row a line, as they all get one message. */
const all = (says: string, ...lines: string[]): Row[] => lines.map((line) => [line, says]);
/** A row for each of some values of a flag, which the message repeats. */
const values = (flag: string, list: string): Row[] =>
  list.split(' ').map((value) => [`${flag} ${value}`, `${flag} "${value}"`]);

const ROWS_ALONE = 'rows.csv: holds rows, not jobs; a job in a job file takes them with for_each: rows.csv';
const FLAGS: readonly Row[] = [
  ['nonsense', "unknown command 'nonsense'"],
  ['"a paper boat"', "hint: evolink t2v 'a paper boat'"],
  ['statsu', 'did you mean status?'],
  ...all('hint: evolink --version', 'version', '-v', 'help version'),
  ...all('hint: evolink status', 'list --help', 'ls'),
  ...all('hint: evolink config init --user', 'login', 'init'),
  ['cancel task-1', 'hint: the service cannot cancel a task'],
  ['history --limit 0', '--limit "0": must be at least 1'],
  ['logout', 'hint: evolink config unset api_key'],
  ['generate frog', 'hint: evolink t2v "a paper boat'],
  ['config sett tier fast', "unknown command 'config sett'"],
  ['t2v frog --seed 7', 'several clips of a request: --count 3'],
  ['t2v missing.png', 'the prompt "missing.png" is the name of a file'],
  ['run', 'no job file named, and no evolink.yaml or jobs.yaml in this folder'],
  ['help nonsense', "unknown command or topic 'nonsense'"],
  ['completion tcsh', 'must be one of bash, zsh, fish, powershell'],
  ['completion', "missing required argument 'shell'"],
  ['t2v frog --nonsense', "unknown option '--nonsense'"],
  ['t2v frog --durration 5', 'did you mean --duration?'],
  ['t2v frog --ratio 1:1', 'mean --aspect-ratio?'],
  ['t2v frog -d', 'argument missing'],
  ['t2v a frog', 'evolink t2v "a paper boat'],
  ['t2v a paper boat', 'hint: put the whole prompt in quotes: evolink t2v "a paper boat in the rain"'],
  ...all('hint: put the whole prompt in quotes', 'i2v a boat -i first.jpg', `i2v -i ${PNG} "zoom in" again`),
  ['i2v "zoom in" first.jpg', 'hint: name a media file with its flag: evolink i2v "…" -i first.jpg'],
  ['t2v "zoom in" "Clip 1.PNG"', 'its flag: evolink i2v "…" -i \'Clip 1.PNG\''],
  ['ref "as music" song.mp3', 'its flag: evolink ref "…" -a song.mp3'],
  ['i2v photo.jpg "zoom in"', 'its flag: evolink i2v "…" -i photo.jpg'],
  [`i2v -i ${PNG} missing.png "zoom in"`, 'its flag: evolink i2v "…" -i missing.png'],
  [`ref "like it" -i ${PNG} -d 4 ${PNG}`, 'hint: name a media file with its flag'],
  ['t2v "-5 degrees" -d 4', "hint: to use it as the prompt: evolink t2v -p '-5 degrees'"],
  ['t2v "-5 degrees" --sandbox', "evolink t2v --sandbox -p '-5 degrees'"],
  ['run rows.csv', ROWS_ALONE, { files: { 'rows.csv': 'name,prompt\na,b\n' } }],
  ['config set', 'hint: evolink config set --help'],
  ['config nope --foo', 'hint: evolink config --help'],
  ['report merge -o all.html', 'hint: evolink report merge --help'],
  ['t2v "-a list of things"', "evolink t2v -p '-a list of things'"],
  ...['t2v frog --api-key ', 't2v frog --api_key=', 'credits --evolink-api-key=', 'credits --token='].map(
    (line): Row => [line + KEY, 'never taken from a flag'],
  ),
  ...all('cannot be used with', 't2v frog --overwrite --skip-existing', 'status --prune --watch'),
  [`i2v frog -i ${PNG} --first ${PNG}`, 'cannot be used with'],
  ['t2v frog -o - --json', 'leave out --json'],
  ['t2v frog -o - --events', 'leave out --events'],
  [`t2v frog -i ${PNG}`, "unknown option '-i'"],
  [`i2v frog -i ${PNG} --web-search`, "unknown option '--web-search'"],
  // What 0.1.0 had.
  ["run r.yaml --force='p/*' --dry-run", "--force --only 'p/*'"],
  ['run r.yaml --adopt --dry-run', 'leave --adopt out'],
  ['run r.yaml --no-adopt --dry-run', '--force --only'],
];

const PHOTO = { files: { 'photo.png': 'x' } };
const PROMPTS: readonly Row[] = [
  ...all('prompt', 't2v', 't2v ""', 't2v "   "'),
  ['t2v one -p two', 'more than once'],
  ['t2v -', 'standard input "": must not be empty'],
  ['t2v - --tier mini', /tokens/, { stdin: 'word '.repeat(60_000) }],
  ['i2v photo.png', /the prompt "photo.png" is the name of a file[\s\S]*evolink i2v "…" -i photo.png/, PHOTO],
  [`t2v ${PNG}`, 'evolink i2v "…" -i '],
  ['i2v https://example.com/a.png?sig=1', 'the prompt "https://example.com/a.png?***" is a URL'],
  ['t2v --prompt-file gone.txt', /cannot read the prompt file .*gone\.txt/],
  ['t2v --prompt-file .', 'cannot read the prompt file'],
  ['t2v --prompt-file a.bin', 'not valid UTF-8', { files: { 'a.bin': Buffer.from([0x66, 0xff, 0xe9]) } }],
];

const SETTINGS: readonly Row[] = [
  ...values('--duration', '3 16 5.5 5m'),
  ['-d -5', '-5'],
  ['-d ""', '--duration ""'],
  ...values('--quality', '1440p'),
  ...values('--aspect-ratio', '2:1'),
  ...values('--tier', 'turbo'),
  ...values('--timeout', '30 soon'),
  ...all('1080p', '-q 1080', '-q 1080p --tier fast'),
  ['-q 4k --tier mini', '4k'],
  ['-r 16x9', '16:9'],
  ['--tier fast --model seedance-2.0-text-to-video', 'leave one of the two out'],
  ['--model seedance-2.0-image-to-video', 'seedance-2.0-image-to-video'],
  ['--tier mini --web-search', '--web-search'],
  ['--web-search --no-content-filter', /content.filter/],
  ...['http://example.com/', 'https://10.0.0.1/', 'example'].map(
    (url): Row => [`--callback-url ${url}`, '--callback-url'],
  ),
  ['--max-credits lots', 'a number of credits'],
  ['--max-credits -1', /-1|number of credits/],
  ['-d 99 -q 9k -r 5:5', 'has 3 problems'],
  ['--max-credits 1', 'above the limit of 1', { exit: 4 }],
  ['-o {slugg}.mp4', '{slug}'],
  ['-o clip.mov', '.mov'],
  ['-o ""', /output/],
  ['-o a.mp4', 'nothing was sent', { exit: 11, files: { 'a.mp4': 'mine' } }],
  ...all('from 2 to 9', '--count 1', '--count 10'),
  ['--count 2 -o -', 'is for one clip'],
  ['--count 2 --no-wait', 'leave out --no-wait'],
  ['--set duration=7', '--duration'],
  ['--set image_urls=[]', '--image'],
  ['--set generate_audio=false', '--mute'],
  ['--set model_params={}', '--web-search'],
  ['--set draft=true', '--draft'],
  ['--set seed', 'key=value'],
  ['--set style=anime', 'JSON'],
];

/** Of Seedance 2.5, which takes other values than its elders. */
const PREVIEW: readonly Row[] = [
  ['--tier seedance-2.5', '--tier'],
  ['--draft', 'exists only for seedance-2.5-text-to-video'],
  ['--model seedance-2.5-text-to-video -q 4k', 'must be one of 480p, 720p, 1080p'],
  ['--model seedance-2.5-text-to-video --web-search', 'exists only for `evolink t2v` with tier'],
  ['--model seedance-2.5-draft-to-video', 'source_task_id'],
  ['--model seedance-2.5-video-edit', 'use `evolink ref`'],
  [`i2v frog --model seedance-2.5-image-to-video -i ${PNG} -r 16:9`, 'must be one of adaptive'],
  ['ref frog --model seedance-2.5-video-extend', 'needs a video'],
  ['-d -1', 'from 4 to 15'],
];

const MEDIA: readonly Row[] = [
  ['i2v frog', /image/],
  [`i2v frog ${times(3, `-i ${PNG}`)}`, /at most 2|1 to 2|too many/],
  [`i2v frog --last ${PNG}`, '--first'],
  ['i2v frog --last gone.png', '--last "gone.png": needs the first frame too'],
  [`ref frog ${times(10, `-i ${PNG}`)}`, /9/],
  [`ref frog ${times(4, '-v https://example.com/a.mp4')}`, /3/],
  ['ref frog -a https://example.com/a.mp3', /audio|sound/],
  ['i2v frog -i ftp://example.com/a.png', 'ftp'],
  ['i2v frog -i file:///etc/passwd', 'file:'],
  ['i2v frog -i data:image/png;base64,iVBORw0KGgo=', /data:/],
  ['i2v frog -i https://me:secret@example.com/a.png', '--image'],
  ['i2v frog -i ""', '--image'],
  ['i2v frog -i gone.png', 'gone.png'],
];

/** A job file of this text, under a name of its own. */
const job = (text: string | Buffer): Given => ({ files: { 'a.yaml': text } });
/** `a` nine times as large as the one before, eight times over. */
const BOMB = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
  .concat(Array.from({ length: 8 }, (_, at) => `a${at + 1}: &a${at + 1} [${times(9, `*a${at},`)}]`))
  .join('\n');
const NOT_UTF8 = Buffer.from('prompt: \xc3\x28\xff\n', 'latin1');
/** Texts that are hostile in a job file and in a project file alike (F59). */
const HOSTILE: readonly (readonly [string, string | Buffer])[] = [
  ['a bomb of aliases', `prompt: a frog\n${BOMB}\n`],
  ['10 MB', `prompt: a frog\n# ${'x'.repeat(10_000_000)}\n`],
  ['nested ten thousand deep', `prompt: ${'['.repeat(10_000)}${']'.repeat(10_000)}\n`],
  ['a key that reaches for prototypes', 'prompt: a frog\n__proto__: { duration: 15 }\n'],
  ['a merge key', 'base: &b { duration: 15 }\n<<: *b\nprompt: a frog\n'],
  ['a tag that would run code', 'prompt: !!js/function "function(){}"\n'],
  ['bytes that are not UTF-8', NOT_UTF8],
];
const jobs = (prompt: string, vars = ''): Given =>
  job(`version: 1\n${vars}jobs:\n  p: { type: t2v, prompt: "${prompt}", output: "x.mp4" }\n`);
const DOUBLING = `vars: { ${Array.from({ length: 30 }, (_, at) => `v${at}: "{{v${at + 1}}}{{v${at + 1}}}"`).join(', ')}, v30: ha }\n`;
const list = (at: number) => `v${at}: [${Array.from({ length: 40 }, () => `"{{v${at + 1}}}"`).join(', ')}]`;
const LISTS = `vars: { ${[0, 1, 2, 3, 4, 5].map(list).join(', ')}, v6: ha }\n`;

const FILES: readonly Row[] = [
  ['t2v -f gone.yaml', 'gone.yaml'],
  ['t2v -f a.yaml', 'is empty', job('')],
  ['t2v -f a.yaml', 'key: value', job('- a\n- b\n')],
  ['t2v -f a.yaml', 'a.yaml', job('prompt: "a\nduration: [')],
  ['t2v -f a.yaml', 'duration', job('prompt: a\ndurration: 5\n')],
  ['t2v -f a.yaml', 'quality', job('prompt: a\nresolution: 720p\n')],
  ['t2v -f a.yaml', 'prompt', job('prompt: a\nprompt: b\n')],
  ['t2v -f a.yaml', 'a.yaml:2', job('prompt: a\nduration: long\n')],
  ['t2v -f a.yaml', /i2v/, job('type: i2v\nprompt: a\n')],
  ['--job hero', '--job'],
  ...HOSTILE.map(([name, text]): Row => [`t2v -f a.yaml --debug=${name}`, 'a.yaml', job(text)]),
  ['run a.yaml', 'braces', jobs('{{ {x} }}')],
  ['run a.yaml', 'never closed', jobs('A {{tone')],
  ['run a.yaml', 'circle', jobs('A {{a}}', 'vars: { a: "{{b}}", b: "{{a}}" }\n')],
  ['run a.yaml', 'missing', jobs('A {{a}}', 'vars: { a: "a {{missing}}" }\n')],
  ['run a.yaml', '{{v0}}', jobs('{{v0}}', DOUBLING)],
  ['run a.yaml', 'is longer than 200000 characters', jobs('A {{v0}}', LISTS)],
];

const rc = (text: string | Buffer): Given => ({ files: { '.evolinkrc': text } });
const env = (variables: Readonly<Record<string, string>>, exit = 2): Given => ({ env: variables, exit });
const CONFIG: readonly Row[] = [
  ['t2v frog', 'quality', rc('qualty: 720p\n')],
  ['t2v frog', '.evolinkrc:1', rc('duration: 99\n')],
  ['config', '.evolinkrc', rc('a: [\n')],
  ['config', 'api_key_command', rc('api_key_command: [cat, key]\n')],
  ...HOSTILE.map(([, text]): Row => ['t2v frog', '.evolinkrc', rc(text)]),
  ['t2v frog', 'EVOLINK_QUALITY', env({ EVOLINK_QUALITY: '9k' })],
  ['config', 'EVOLINK_CONFIG', env({ EVOLINK_CONFIG: 'gone.yaml' })],
  ['t2v frog', 'http', env({ EVOLINK_BASE_URL: 'http://example.com' })],
  ['t2v frog', 'EVOLINK_BASE_URL', env({ EVOLINK_BASE_URL: 'https://me:pass@example.com' })],
  ['t2v frog', 'HTTPS_PROXY', env({ HTTPS_PROXY: 'ftp://proxy:1' })],
  ['t2v frog', 'no API key was found', env({ EVOLINK_API_KEY_FILE: '' }, 3)],
  ['t2v frog', 'is empty', env({ EVOLINK_API_KEY: '' }, 3)],
  ['t2v frog', 'starts with "Bearer"', env({ EVOLINK_API_KEY: 'Bearer abcdefgh' }, 3)],
  ['t2v frog', 'line break', env({ EVOLINK_API_KEY: 'abcdefgh\nijklmnop' }, 3)],
  ['t2v frog', 'key file', env({ EVOLINK_API_KEY_FILE: 'gone' }, 3)],
];

const TASKS: readonly Row[] = [
  ['download', 'needs task ids, or --all'],
  ['resume a --resubmit b', 'takes one request'],
  ['resume --task task-unified-1', 'the id of the one request'],
  ['resume a b --task task-unified-1', 'the id of the one'],
  ['resume a --task frog', '"frog" is neither a task id'],
  ['resume --task task-1 --resubmit b', 'make one'],
  ['status --prune old', '--prune "old"'],
  ['status ../../etc/passwd', 'not a task id'],
  ['download https://example.com/a.mp4', 'neither a task id nor'],
  ['sandbox --port web', '--port "web"'],
  ['sandbox --port 99999', '--port "99999"'],
  ['sandbox --speed fast', '--speed "fast"'],
  ['sandbox --speed 0', /speed/],
  ...all('evolink help faults', 'sandbox --faults submit:explode', 'sandbox --faults 429'),
  ['t2v frog --sandbox', 'no such point "sumbit"', env({ EVOLINK_SANDBOX_FAULTS: 'sumbit:429' })],
];

const ROWS = [FLAGS, PROMPTS, SETTINGS, PREVIEW, MEDIA, FILES, CONFIG, TASKS]
  .flat()
  .map(([line, says, given = {}]) => ({ line, says, given }));

let requests = 0;
const server = createServer((_request, response) => {
  requests += 1;
  response.writeHead(500).end();
});
let baseUrl: string;

beforeAll(async () => {
  baseUrl = `http://127.0.0.1:${await listen(server)}`;
});
afterAll(() => server.close());

describe('bad input is refused: says what and where, sends nothing, writes nothing', () => {
  it.each(ROWS)('$line: $says', async ({ line, says, given }) => {
    const { exit = 2, env: more = {}, files = {}, stdin = '' } = given;
    const home = createCliHome({ EVOLINK_BASE_URL: baseUrl, EVOLINK_FILES_URL: baseUrl });
    try {
      for (const [name, content] of Object.entries(files)) home.write(name, content);
      const key = exit === 3 ? {} : { EVOLINK_API_KEY: KEY };
      const args = words(/^-(?!v$)/.test(line) ? `t2v "a frog" ${line}` : line.replace(/--debug=.*/, ''));
      const { code, stdout, stderr } = await home.run(args, { env: { ...key, ...more }, stdin });
      expect([code, stderr]).toEqual([exit, expect.stringMatching(/^(?:(?!error:).*\n)*error:/)]);
      expect(stderr.split('\n').filter((text) => text.startsWith('error:'))).toHaveLength(1);
      if (typeof says === 'string') expect(stderr).toContain(says);
      else expect(stderr).toMatch(says);
      if (/--json|--events/.test(line)) expect(JSON.parse(stdout)).toMatchObject({ ok: false });
      else expect(stdout).toBe('');
      expect(stderr).not.toMatch(/^ {4}at |this is a bug/m);
      expect(stderr).not.toContain(KEY);
      expect(stderr.length).toBeLessThan(20_000);
      const state = existsSync(home.state) ? readdirSync(home.state, { recursive: true }) : [];
      expect(state.filter((name) => String(name).endsWith('.json'))).toEqual([]);
      expect(requests).toBe(0);
    } finally {
      home.remove();
    }
  });

  it('with one JSON document on stdout for --json; a loop of links as a job file too', async () => {
    const home = createCliHome();
    symlinkSync('loop.yaml', home.at('loop.yaml'));
    for (const line of ['t2v frog -d 99', 'nonsense', 'download', 't2v -f loop.yaml']) {
      const { code, stdout } = await home.run(`${line} --json`);
      const error = { code: 'usage', exit: 2, charged: 'no', retryable: false };
      expect([code, JSON.parse(stdout)]).toMatchObject([2, { schema_version: 2, ok: false, error }]);
    }
    home.remove();
  });
});
