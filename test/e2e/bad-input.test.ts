import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliResult, createCliHome } from '../helpers/spawn-cli.ts';

const KEY = 'sk-test-0123456789abcdef';
const URL_PNG = 'https://example.com/a.png';
const ten = Array.from({ length: 10 }, (_, index) => ['-i', `https://example.com/${index}.png`]).flat();

interface Row {
  readonly what: string;
  readonly args: readonly string[];
  /** What the message must say. */
  readonly says: string | RegExp;
  /** Default 2. */
  readonly exit?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly folders?: readonly string[];
  readonly stdin?: string | Buffer;
}

const FLAGS: readonly Row[] = [
  { what: 'unknown command', args: ['nonsense'], says: "unknown command 'nonsense'" },
  { what: 'misspelled command', args: ['statsu'], says: 'Did you mean status?' },
  { what: 'unknown flag', args: ['t2v', 'a frog', '--nonsense'], says: "unknown option '--nonsense'" },
  { what: 'misspelled flag', args: ['t2v', 'a frog', '--durration', '5'], says: 'Did you mean --duration?' },
  { what: 'flag without its value', args: ['t2v', 'a frog', '-d'], says: 'argument missing' },
  { what: 'two prompts', args: ['t2v', 'a', 'frog'], says: 'evolink t2v "a paper boat' },
  { what: 'unknown help topic', args: ['help', 'nonsense'], says: "unknown command or topic 'nonsense'" },
  {
    what: 'unknown shell',
    args: ['completion', 'tcsh'],
    says: 'Allowed choices are bash, zsh, fish, powershell',
  },
  { what: 'no shell', args: ['completion'], says: "missing required argument 'shell'" },
  { what: 'a key as a flag', args: ['t2v', 'a frog', '--api-key', KEY], says: 'never taken from a flag' },
  {
    what: 'a key as a flag with =',
    args: ['t2v', 'a frog', `--api-key=${KEY}`],
    says: 'never taken from a flag',
  },
  { what: 'a token as a flag', args: ['credits', `--token=${KEY}`], says: 'never taken from a flag' },
  {
    what: 'both answers to an existing file',
    args: ['t2v', 'a frog', '--overwrite', '--skip-existing'],
    says: 'cannot be used with',
  },
  {
    what: '--image and --first',
    args: ['i2v', 'a frog', '-i', URL_PNG, '--first', URL_PNG],
    says: 'cannot be used with',
  },
  { what: '--prune and --watch', args: ['status', '--prune', '--watch'], says: 'cannot be used with' },
  {
    what: 'the video and JSON on stdout',
    args: ['t2v', 'a frog', '-o', '-', '--json'],
    says: 'leave out --json',
  },
  {
    what: 'the video and events on stdout',
    args: ['t2v', 'a frog', '-o', '-', '--events'],
    says: 'leave out --events',
  },
  { what: 'media of another command', args: ['t2v', 'a frog', '-i', URL_PNG], says: "unknown option '-i'" },
  {
    what: 'web search in i2v',
    args: ['i2v', 'a frog', '-i', URL_PNG, '--web-search'],
    says: "unknown option '--web-search'",
  },
];

const PROMPTS: readonly Row[] = [
  { what: 'no prompt', args: ['t2v'], says: 'prompt' },
  { what: 'an empty prompt', args: ['t2v', ''], says: 'prompt' },
  { what: 'a prompt of spaces', args: ['t2v', '   '], says: 'prompt' },
  { what: 'a prompt twice', args: ['t2v', 'one', '-p', 'two'], says: 'more than once' },
  {
    what: 'empty standard input',
    args: ['t2v', '-'],
    says: 'standard input "": must not be empty',
    stdin: '',
  },
  {
    what: 'a prompt file that is not there',
    args: ['t2v', '--prompt-file', 'gone.txt'],
    says: /cannot read the prompt file .*gone\.txt/,
  },
  {
    what: 'a prompt file that is a folder',
    args: ['t2v', '--prompt-file', 'folder'],
    says: 'cannot read the prompt file',
    folders: ['folder'],
  },
  {
    what: 'a prompt file that is no text',
    args: ['t2v', '--prompt-file', 'a.bin'],
    says: 'not valid UTF-8',
    files: { 'a.bin': 'LATIN' },
  },
  { what: 'a prompt far too long', args: ['t2v', '-'], says: /tokens/, stdin: 'word '.repeat(60_000) },
];

const SETTINGS: readonly Row[] = [
  { what: 'duration 3', args: ['t2v', 'a frog', '-d', '3'], says: '--duration "3"' },
  { what: 'duration 16', args: ['t2v', 'a frog', '-d', '16'], says: '--duration "16"' },
  { what: 'duration 5.5', args: ['t2v', 'a frog', '-d', '5.5'], says: '--duration "5.5"' },
  { what: 'duration 5m', args: ['t2v', 'a frog', '-d', '5m'], says: '--duration "5m"' },
  { what: 'duration -5', args: ['t2v', 'a frog', '-d', '-5'], says: '-5' },
  { what: 'duration of nothing', args: ['t2v', 'a frog', '-d', ''], says: '--duration ""' },
  { what: 'an unknown quality', args: ['t2v', 'a frog', '-q', '1440p'], says: '--quality "1440p"' },
  { what: 'a misspelled quality', args: ['t2v', 'a frog', '-q', '1080'], says: '1080p' },
  { what: '1080p in tier fast', args: ['t2v', 'a frog', '-q', '1080p', '--tier', 'fast'], says: '1080p' },
  { what: '4k in tier mini', args: ['t2v', 'a frog', '-q', '4k', '--tier', 'mini'], says: '4k' },
  { what: 'an unknown ratio', args: ['t2v', 'a frog', '-r', '2:1'], says: '--aspect-ratio "2:1"' },
  { what: 'a ratio with an x', args: ['t2v', 'a frog', '-r', '16x9'], says: '16:9' },
  { what: 'an unknown tier', args: ['t2v', 'a frog', '--tier', 'turbo'], says: '--tier "turbo"' },
  {
    what: 'tier and model',
    args: ['t2v', 'a frog', '--tier', 'fast', '--model', 'seedance-2.0-text-to-video'],
    says: 'leave one of the two out',
  },
  {
    what: 'a model of another command',
    args: ['t2v', 'a frog', '--model', 'seedance-2.0-image-to-video'],
    says: 'seedance-2.0-image-to-video',
  },
  {
    what: 'web search in tier mini',
    args: ['t2v', 'a frog', '--tier', 'mini', '--web-search'],
    says: '--web-search',
  },
  {
    what: 'web search without the filter',
    args: ['t2v', 'a frog', '--web-search', '--no-content-filter'],
    says: /content.filter/,
  },
  {
    what: 'a callback over http',
    args: ['t2v', 'a frog', '--callback-url', 'http://example.com/'],
    says: '--callback-url',
  },
  {
    what: 'a callback to a private address',
    args: ['t2v', 'a frog', '--callback-url', 'https://10.0.0.1/'],
    says: '--callback-url',
  },
  {
    what: 'a callback that is no URL',
    args: ['t2v', 'a frog', '--callback-url', 'example'],
    says: '--callback-url',
  },
  {
    what: 'a limit that is no number',
    args: ['t2v', 'a frog', '--max-credits', 'lots'],
    says: 'a number of credits',
  },
  {
    what: 'a limit below nothing',
    args: ['t2v', 'a frog', '--max-credits', '-1'],
    says: /-1|number of credits/,
  },
  { what: 'a timeout without its unit', args: ['t2v', 'a frog', '--timeout', '30'], says: '--timeout "30"' },
  { what: 'a timeout of nonsense', args: ['t2v', 'a frog', '--timeout', 'soon'], says: '--timeout "soon"' },
  {
    what: 'several at once',
    args: ['t2v', 'a frog', '-d', '99', '-q', '9k', '-r', '5:5'],
    says: 'has 3 problems',
  },
  {
    what: 'an estimate above the limit',
    args: ['t2v', 'a frog', '--max-credits', '1'],
    says: 'above the limit of 1',
    exit: 4,
  },
];

const MEDIA: readonly Row[] = [
  { what: 'i2v without an image', args: ['i2v', 'a frog'], says: /image/ },
  {
    what: 'i2v with three images',
    args: ['i2v', 'a frog', '-i', URL_PNG, '-i', URL_PNG, '-i', URL_PNG],
    says: /at most 2|1 to 2|too many/,
  },
  { what: 'a last frame alone', args: ['i2v', 'a frog', '--last', URL_PNG], says: '--first' },
  { what: 'ten images', args: ['ref', 'a frog', ...ten], says: /9/ },
  {
    what: 'four clips',
    args: ['ref', 'a frog', ...Array.from({ length: 4 }, () => ['-v', 'https://example.com/a.mp4']).flat()],
    says: /3/,
  },
  { what: 'a sound alone', args: ['ref', 'a frog', '-a', 'https://example.com/a.mp3'], says: /audio|sound/ },
  { what: 'an image over ftp', args: ['i2v', 'a frog', '-i', 'ftp://example.com/a.png'], says: 'ftp' },
  { what: 'a file URL', args: ['i2v', 'a frog', '-i', 'file:///etc/passwd'], says: 'file:' },
  { what: 'Base64', args: ['i2v', 'a frog', '-i', 'data:image/png;base64,iVBORw0KGgo='], says: /data:/ },
  {
    what: 'a URL with a password',
    args: ['i2v', 'a frog', '-i', 'https://me:secret@example.com/a.png'],
    says: '--image',
  },
  { what: 'an empty image', args: ['i2v', 'a frog', '-i', ''], says: '--image' },
  { what: 'a file that is not there', args: ['i2v', 'a frog', '-i', 'gone.png'], says: 'gone.png' },
];

const FILES: readonly Row[] = [
  { what: 'a job file that is not there', args: ['t2v', '-f', 'gone.yaml'], says: 'gone.yaml' },
  { what: 'an empty job file', args: ['t2v', '-f', 'a.yaml'], says: 'is empty', files: { 'a.yaml': '' } },
  { what: 'a list', args: ['t2v', '-f', 'a.yaml'], says: 'key: value', files: { 'a.yaml': '- a\n- b\n' } },
  {
    what: 'broken YAML',
    args: ['t2v', '-f', 'a.yaml'],
    says: 'a.yaml',
    files: { 'a.yaml': 'prompt: "a\nduration: [' },
  },
  {
    what: 'an unknown key',
    args: ['t2v', '-f', 'a.yaml'],
    says: 'duration',
    files: { 'a.yaml': 'prompt: a\ndurration: 5\n' },
  },
  {
    what: 'the name of another API',
    args: ['t2v', '-f', 'a.yaml'],
    says: 'quality',
    files: { 'a.yaml': 'prompt: a\nresolution: 720p\n' },
  },
  {
    what: 'a key twice',
    args: ['t2v', '-f', 'a.yaml'],
    says: 'prompt',
    files: { 'a.yaml': 'prompt: a\nprompt: b\n' },
  },
  {
    what: 'a wrong type',
    args: ['t2v', '-f', 'a.yaml'],
    says: 'a.yaml:2',
    files: { 'a.yaml': 'prompt: a\nduration: long\n' },
  },
  {
    what: 'a job of another command',
    args: ['t2v', '-f', 'a.yaml'],
    says: /i2v/,
    files: { 'a.yaml': 'type: i2v\nprompt: a\n' },
  },
  { what: 'a job name without a file', args: ['t2v', 'a frog', '--job', 'hero'], says: '--job' },
  { what: 'an output field that is unknown', args: ['t2v', 'a frog', '-o', '{slugg}.mp4'], says: '{slug}' },
  { what: 'an output of another type', args: ['t2v', 'a frog', '-o', 'clip.mov'], says: '.mov' },
  { what: 'an empty output', args: ['t2v', 'a frog', '-o', ''], says: /output/ },
  {
    what: 'an output that exists',
    args: ['t2v', 'a frog', '-o', 'a.mp4'],
    says: 'nothing was sent',
    exit: 11,
    files: { 'a.mp4': 'mine' },
  },
];

const CONFIG: readonly Row[] = [
  {
    what: 'an unknown key in .evolinkrc',
    args: ['t2v', 'a frog'],
    says: 'quality',
    files: { '.evolinkrc': 'qualty: 720p\n' },
  },
  {
    what: 'a wrong value in .evolinkrc',
    args: ['t2v', 'a frog'],
    says: '.evolinkrc:1',
    files: { '.evolinkrc': 'duration: 99\n' },
  },
  {
    what: 'broken YAML in .evolinkrc',
    args: ['config'],
    says: '.evolinkrc',
    files: { '.evolinkrc': 'a: [\n' },
  },
  {
    what: 'a key command in a project file',
    args: ['config'],
    says: 'api_key_command',
    files: { '.evolinkrc': 'api_key_command: [cat, key]\n' },
  },
  {
    what: 'a wrong variable',
    args: ['t2v', 'a frog'],
    says: 'EVOLINK_QUALITY',
    env: { EVOLINK_QUALITY: '9k' },
  },
  {
    what: 'a config that is not there',
    args: ['config'],
    says: 'EVOLINK_CONFIG',
    env: { EVOLINK_CONFIG: 'gone.yaml' },
  },
  {
    what: 'a base URL over http',
    args: ['t2v', 'a frog'],
    says: 'http',
    env: { EVOLINK_BASE_URL: 'http://example.com' },
  },
  {
    what: 'a base URL with a password',
    args: ['t2v', 'a frog'],
    says: 'EVOLINK_BASE_URL',
    env: { EVOLINK_BASE_URL: 'https://me:pass@example.com' },
  },
  {
    what: 'a proxy of nonsense',
    args: ['t2v', 'a frog'],
    says: 'HTTPS_PROXY',
    env: { HTTPS_PROXY: 'ftp://proxy:1' },
  },
  {
    what: 'no key',
    args: ['t2v', 'a frog'],
    says: 'no API key was found',
    exit: 3,
    env: { EVOLINK_API_KEY_FILE: '' },
  },
  { what: 'an empty key', args: ['t2v', 'a frog'], says: 'is empty', exit: 3, env: { EVOLINK_API_KEY: '' } },
  {
    what: 'a key with Bearer',
    args: ['t2v', 'a frog'],
    says: 'starts with "Bearer"',
    exit: 3,
    env: { EVOLINK_API_KEY: 'Bearer abcdefgh' },
  },
  {
    what: 'a key of two lines',
    args: ['t2v', 'a frog'],
    says: 'line break',
    exit: 3,
    env: { EVOLINK_API_KEY: 'abcdefgh\nijklmnop' },
  },
  {
    what: 'a key file that is not there',
    args: ['t2v', 'a frog'],
    says: 'key file',
    exit: 3,
    env: { EVOLINK_API_KEY_FILE: 'gone' },
  },
];

const TASKS: readonly Row[] = [
  { what: 'download of nothing', args: ['download'], says: 'needs task ids, or --all' },
  { what: 'ids and --resubmit', args: ['resume', 'a', '--resubmit', 'b'], says: 'takes one request' },
  {
    what: '--task for nothing',
    args: ['resume', '--task', 'task-unified-1'],
    says: 'the id of the one request',
  },
  {
    what: '--task for two',
    args: ['resume', 'a', 'b', '--task', 'task-unified-1'],
    says: 'the id of the one',
  },
  {
    what: 'no task id for --task',
    args: ['resume', 'a', '--task', 'frog'],
    says: '"frog" is neither a task id',
  },
  { what: 'a flag by another name', args: ['t2v', 'a frog', '--ratio', '1:1'], says: 'mean --aspect-ratio?' },
  { what: 'two decisions', args: ['resume', '--task', 'task-1', '--resubmit', 'b'], says: 'make one' },
  { what: 'an age of nonsense', args: ['status', '--prune', 'old'], says: '--prune "old"' },
  { what: 'an id that is none', args: ['status', '../../etc/passwd'], says: 'not a task id' },
  {
    what: 'an id of another service',
    args: ['download', 'https://example.com/a.mp4'],
    says: 'neither a task id nor',
  },
  { what: 'a port of nonsense', args: ['sandbox', '--port', 'web'], says: '--port "web"' },
  { what: 'a port out of range', args: ['sandbox', '--port', '99999'], says: '--port "99999"' },
  { what: 'a speed of nonsense', args: ['sandbox', '--speed', 'fast'], says: '--speed "fast"' },
  { what: 'a speed of 0', args: ['sandbox', '--speed', '0'], says: /speed/ },
  { what: 'an unknown fault', args: ['sandbox', '--faults', 'submit:explode'], says: 'evolink help faults' },
  { what: 'a fault without its place', args: ['sandbox', '--faults', '429'], says: 'evolink help faults' },
  {
    what: 'an unknown fault in the variable',
    args: ['t2v', 'a frog', '--sandbox'],
    says: 'no such point "sumbit"',
    env: { EVOLINK_SANDBOX_FAULTS: 'sumbit:429' },
  },
];

const GROUPS = { FLAGS, PROMPTS, SETTINGS, MEDIA, FILES, CONFIG, TASKS };
const ROWS = Object.values(GROUPS).flat();

let requests = 0;
const server = createServer((_request, response) => {
  requests += 1;
  response.statusCode = 500;
  response.end();
});
const results = new Map<Row, CliResult & { readonly written: readonly string[] }>();

/** Everything below a folder, as relative paths. */
function listFolder(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder, { recursive: true }).map(String) : [];
}

async function runRow(row: Row, baseUrl: string): Promise<void> {
  const home = createCliHome({ EVOLINK_BASE_URL: baseUrl, EVOLINK_FILES_URL: baseUrl });
  try {
    for (const folder of row.folders ?? []) mkdirSync(join(home.work, folder));
    for (const [name, text] of Object.entries(row.files ?? {})) {
      // One file must not be UTF-8.
      writeFileSync(join(home.work, name), text === 'LATIN' ? Buffer.from([0x66, 0xff, 0xe9]) : text);
    }
    const isKeyRow = row.exit === 3;
    const env = { ...(isKeyRow ? {} : { EVOLINK_API_KEY: KEY }), ...row.env };
    const result = await home.run(row.args, { env, stdin: String(row.stdin ?? '') });
    results.set(row, { ...result, written: listFolder(home.state).filter((name) => name.endsWith('.json')) });
  } finally {
    home.remove();
  }
}

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const queue = [...ROWS];
  const worker = async (): Promise<void> => {
    for (let row = queue.shift(); row !== undefined; row = queue.shift()) await runRow(row, baseUrl);
  };
  await Promise.all([worker(), worker()]);
});
afterAll(() => server.close());

describe('bad input', () => {
  it.each(ROWS)('$what is refused: says what and where, sends nothing, writes nothing', (row) => {
    const result = results.get(row);
    const isJson = row.args.some((word) => word === '--json' || word === '--events');
    if (isJson) expect(JSON.parse(result?.stdout ?? '')).toMatchObject({ ok: false });
    else expect(result?.stdout).toBe('');
    expect(result?.stderr.split('\n').filter((line) => line.startsWith('error:'))).toHaveLength(1);
    if (typeof row.says === 'string') expect(result?.stderr).toContain(row.says);
    else expect(result?.stderr).toMatch(row.says);
    expect(result?.code).toBe(row.exit ?? 2);
    expect(result?.stderr).not.toMatch(/^ {4}at /m);
    expect(result?.stderr).not.toContain(KEY);
    expect(result?.stderr).not.toMatch(/this is a bug/);
    expect(result?.written).toEqual([]);
  });

  it('makes no request at all', () => {
    expect(ROWS.length).toBeGreaterThan(60);
    expect(requests).toBe(0);
  });

  it('has one JSON document on stdout with --json', async () => {
    const home = createCliHome();
    try {
      for (const args of [
        ['t2v', 'a frog', '-d', '99', '--json'],
        ['nonsense', '--json'],
        ['download', '--json'],
      ]) {
        const { code, stdout } = await home.run(args);
        expect(code).toBe(2);
        expect(JSON.parse(stdout)).toMatchObject({
          schema_version: 2,
          ok: false,
          error: { code: 'usage', exit: 2, charged: 'no', retryable: false },
        });
      }
    } finally {
      home.remove();
    }
  });

  it('refuses a loop of links as a job file', async () => {
    const home = createCliHome();
    try {
      symlinkSync('loop.yaml', join(home.work, 'loop.yaml'));
      const { code, stderr } = await home.run(['t2v', '-f', 'loop.yaml']);
      expect(stderr).toContain('loop.yaml');
      expect(code).toBe(2);
    } finally {
      home.remove();
    }
  });
});
