import type { Operation } from '../request/models.ts';
import { FIELD_FLAGS, type FlagName, type Invocation } from './flags.ts';

export interface CommandRow {
  /** With that of its parent: `config init`. */
  readonly name: string;
  /** The group that starts with it in the help. */
  readonly group?: string;
  readonly summary: string;
  readonly description?: string;
  /** `<…>` is required, `[…]` may be left out, `…...` takes several; some have all their values here. */
  readonly arguments?: readonly (readonly [spelling: string, help: string, choices?: readonly string[]])[];
  /** By their headings. */
  readonly flags?: Readonly<Record<string, readonly FlagName[]>>;
  /** That of flags which say something else here. */
  readonly help?: { readonly [Name in FlagName]?: string };
  readonly examples?: readonly string[];
  /** Loads what the command does, which nothing else needs. Returns the exit code; absent where a subcommand is needed. */
  readonly run?: (invocation: Invocation) => Promise<number>;
}

const PROMPT = {
  'Prompt (exactly one):': ['prompt', 'promptFile'],
  'Source:': ['file', 'job'],
} as const;
/** Those of all fields that every command gives, and of fields that we don't know. */
const REQUEST = [
  ...(Object.keys(FIELD_FLAGS) as (keyof typeof FIELD_FLAGS)[]).filter(
    (name) => name !== 'webSearch' && name !== 'output',
  ),
  'set',
] as const;
const OUTPUT = ['output', 'overwrite', 'skipExisting', 'sidecar'] as const;
const TAKES = {
  'Output:': ['count', ...OUTPUT],
  'Control:': ['wait', 'timeout', 'notify', 'open', 'dryRun', 'maxCredits', 'priceCredits', 'new'],
} as const;
const URLS = ['checkUrls', 'noCheckUrls'] as const;
const TASK = ['<id|last|file>', 'task id or a part of it, last, or a saved clip'] as const;
const SETTING = ['<key>', 'a setting, such as max_credits'] as const;
const IDS = ['[id...]', 'task ids or local ids'] as const;

function command(name: string, summary: string, more: Omit<CommandRow, 'name' | 'summary'>): CommandRow {
  return { name, summary, ...more };
}

/** A command that makes a clip of a prompt, and of media under its heading. */
function generating(
  operation: Operation,
  summary: string,
  { media, ...more }: Partial<CommandRow> & { readonly media?: CommandRow['flags'] },
): CommandRow {
  const request = operation === 't2v' ? (['webSearch', ...REQUEST] as const) : REQUEST;
  return command(operation, summary, {
    arguments: [['[prompt]', 'the prompt; - reads it from standard input']],
    flags: { ...PROMPT, ...media, 'Request:': request, ...TAKES },
    run: async ({ context, args: [prompt], options }) => {
      const input = { operation, prompt, options };
      if (options.count !== undefined) return (await import('./takes.ts')).runTakes(context, input);
      return (await import('./generate.ts')).runGenerate(context, input);
    },
    ...more,
  });
}

/** The documents, of which `DOCUMENTS` has the schema, without loading it. */
const SCHEMAS =
  'job-file report event result results error dry-run resume-plan status history show open erase prune forget credits upload uploads delete check config written doctor sandbox merge schema text';

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;

/** The pages of the reference: `src/docs/NAME.md`. */
export const TOPICS: Readonly<Record<string, string>> = {
  'job-files': 'one request or many jobs in a file',
  'reference-to-video': 'recipes: edit, extend, camera, sound',
  models: 'models, limits of media, sizes and prices',
  configuration: 'config files and every setting',
  environment: 'environment variables',
  output: 'streams, JSON, names of clips',
  'exit-codes': 'what each code means, and what was charged',
  faults: 'the sandbox, and faults on demand',
  ci: 'GitHub, GitLab, Jenkins, shards',
  benchmarks: 'how fast it is, and how that was measured',
};

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandRow[] = [
  generating('t2v', 'text to video: one clip from a prompt', {
    group: 'Make clips:',
    examples: [
      'evolink t2v "a paper boat on a lake at dawn" -d 8 -r 9:16',
      'file=$(evolink t2v "a paper boat" -o clips/)',
    ],
  }),
  generating('i2v', 'image to video: from a first frame, or a first and a last', {
    media: { 'Media:': ['image', 'first', 'last', 'checkUrls'] },
    help: { image: 'first frame, or first and last: -i first.jpg last.jpg' },
    examples: [
      'evolink i2v "the camera slowly zooms in" -i first.jpg',
      'evolink i2v "day turns to night" -i day.jpg night.jpg',
      'evolink i2v "a storm breaks" --first https://example.com/day.jpg --last https://example.com/night.jpg',
    ],
  }),
  generating('ref', 'reference to video: from images, video and audio', {
    media: { 'Media (order counts: "image 1" is the first):': ['image', 'video', 'audio', 'checkUrls'] },
    examples: [
      'evolink ref "the art style of image 1, audio 1 as music" -i style.png -a https://example.com/bgm.mp3',
      'evolink ref -f body.json --json',
    ],
  }),
  command('run', 'all jobs of job files: make what is missing or has changed', {
    description:
      'Plans the jobs of YAML or JSON job files, then makes the clips that are missing or have changed. Clips that are up to date are left alone; running tasks are resumed.',
    arguments: [['[file...]', 'job files']],
    flags: {
      'Which jobs:': ['only', 'skip', 'shard', 'force', 'maxJobs'],
      'Money:': ['dryRun', 'maxCredits', 'priceCredits', 'allowPartial', 'yes', 'retryFailed'],
      'Work:': ['concurrency', 'timeout', ...URLS, 'keepGoing', 'failFast', 'notify', 'report', 'init'],
    },
    help: {
      dryRun: 'print the plan; send nothing, need no key',
      maxCredits: 'budget of the run: refuse a plan above it, stop before it is exceeded',
      yes: "don't ask before a large plan",
      timeout: 'how long to wait for each task, e.g. 90s, 30m, 2h (default 30m)',
      checkUrls: 'check the media URLs of the plan',
    },
    examples: [
      'evolink run --init && evolink run evolink.yaml --sandbox',
      'evolink run jobs.yaml --dry-run',
      'evolink run jobs.yaml --shard 1/4 --max-credits 500 --report report.html --report junit.xml',
    ],
    run: async (call) => (await import('./run-jobs.ts')).runJobs(call),
  }),
  command('status', 'show tasks, their progress and the time left on their links', {
    group: 'Follow tasks:',
    description:
      'Shows the state, progress and remaining link time of the given tasks, or of everything unfinished or unsaved.',
    arguments: [IDS],
    flags: { 'Options:': ['watch', 'prune'] },
    examples: ['evolink status', 'evolink status task-unified-1774857405-abc123 --json'],
    run: async (call) => (await import('./status.ts')).runStatus(call),
  }),
  command('download', 'save finished tasks', {
    description:
      'Saves the clips of finished tasks: the given ones (a task id works on any machine), or all of them.',
    arguments: [IDS],
    flags: { 'Options:': ['all', 'unverified'], 'Output:': OUTPUT },
    examples: ['evolink download task-unified-1774857405-abc123 -o clip.mp4', 'evolink download --all'],
    run: async (call) => (await import('./resume.ts')).runDownload(call),
  }),
  command('resume', 'continue unfinished tasks: look up, wait, save', {
    description:
      'Continues everything unfinished, or the given tasks: looks up uncertain submissions, waits, saves. Costs nothing.',
    arguments: [IDS],
    flags: { 'Options:': ['timeout', 'notify', 'resubmit', 'task', 'dryRun'], 'Output:': OUTPUT },
    help: { dryRun: 'show what would be done, do nothing' },
    examples: ['evolink resume', 'evolink resume task-unified-1774857405-abc123 --timeout 2h'],
    run: async (call) => (await import('./resume.ts')).runResume(call),
  }),
  command('history', 'list finished tasks, newest first', {
    description: 'Lists finished tasks from the records on this machine, newest first. Nothing is sent.',
    flags: { 'Options:': ['limit', 'since', 'failed'], 'Erase:': ['erase', 'before', 'yes'] },
    examples: ['evolink history --since 7d', 'evolink history --erase --before 90d'],
    run: async (call) => (await import('./history.ts')).runHistory(call),
  }),
  command('show', 'show one task with its request', {
    arguments: [TASK],
    examples: ['evolink show last', 'evolink show clip.mp4'],
    run: async (call) => (await import('./history.ts')).runShow(call),
  }),
  command('again', 'submit the request of a task once more, with changes', {
    description:
      'Submits the request of a task once more, changed by the flags: always a new task, with its own cost. With --count, takes that are there already are not made again.',
    arguments: [TASK],
    flags: {
      'Options:': ['yes'],
      'Prompt:': ['prompt', 'promptFile'],
      'Media:': ['image', 'video', 'audio', 'first', 'last'],
      'Request:': REQUEST,
      ...TAKES,
    },
    examples: ['evolink again last', 'evolink again last -d 8 -q 1080p --yes'],
    run: async (call) => (await import('./history.ts')).runAgain(call),
  }),
  command('open', "open a saved clip in the system's player", {
    arguments: [TASK],
    examples: ['evolink open last'],
    run: async (call) => (await import('./history.ts')).runOpen(call),
  }),
  command('forget', 'dismiss a record that you have checked', {
    description:
      'Dismisses an uncertain request that the dashboard does not show, or a task that the service does not know; the same request is new afterwards. Looks once more first and refuses tasks that exist. Puts a file away that cannot be read as a record.',
    arguments: [['<id>', 'whole request or task id, or the path of a record file']],
    flags: { 'Options:': ['yes'] },
    examples: ['evolink forget 20261121-091502-k3f9q2 --yes'],
    run: async (call) => (await import('./forget.ts')).runForget(call),
  }),
  command('report', 'merge reports of finished runs', {
    description: 'Works on the JSON reports of finished runs. Nothing is sent.',
    examples: ['evolink report merge shard-1.json shard-2.json --report gallery.html'],
  }),
  command('report merge', 'make one report of several, such as shards', {
    description:
      'Makes one report of several JSON reports of `evolink run`, such as shards, or another format of a single one.',
    arguments: [['<file...>', 'JSON reports']],
    flags: { 'Options:': ['report'] },
    help: { report: 'where to write: .json, .xml (JUnit), .md or .html; repeatable' },
    examples: [
      'evolink report merge shard-1.json shard-2.json --report gallery.html',
      'evolink report merge run.json --report run.html --report run.xml',
    ],
    run: async (call) => (await import('./report-merge.ts')).runReportMerge(call),
  }),
  command('credits', 'show your balance and the spending on this machine', {
    group: 'Money:',
    description:
      'Shows the balance of the account and the key, and the spending on this machine. Costs nothing.',
    examples: ['evolink credits', 'evolink credits --json'],
    run: async (call) => (await import('./credits.ts')).runCredits(call),
  }),
  command('check', "check media files against the API's limits", {
    group: 'Media:',
    description:
      'Checks images, video and audio, or the media of all jobs of a job file: type, pixels, length, frame rate, size. Sends nothing. Exits with 0 if all fit, else 2.',
    arguments: [['<file...>', 'media files, or job files']],
    flags: { 'Options:': ['checkUrls', 'job'] },
    help: {
      checkUrls: 'check URLs too, by their first bytes',
      job: 'job to check if a file has several (default: all)',
    },
    examples: [
      'evolink check style.png intro.mp4',
      'evolink check job.yaml --json',
      'evolink check https://example.com/clip.mp4 --check-urls',
    ],
    run: async (call) => (await import('./check.ts')).runCheck(call),
  }),
  command('upload', 'upload reference media and print the URLs', {
    description:
      'Checks and uploads local files (free; kept for 72 hours) and prints one URL per line, in order. Generating commands do this on their own.',
    arguments: [['[file...]', 'images, video or audio']],
    flags: { 'Options:': ['list', 'delete'] },
    examples: [
      'evolink upload style.png bgm.mp3',
      'evolink upload --list',
      'evolink upload --delete file_abc123',
    ],
    run: async (call) => (await import('./upload.ts')).runUpload(call),
  }),
  command('config', 'show every setting, its value and where it came from', {
    group: 'Set up:',
    description: 'Shows every setting, its value and where it came from; secrets are masked.',
    examples: ['evolink config', 'evolink config init --user', 'evolink config set max_credits 200'],
    run: async (call) => (await import('./config.ts')).runConfig(call),
  }),
  command('config init', 'write a commented .evolinkrc, or set up your key', {
    description:
      'Writes a commented .evolinkrc into the working directory, unless there is one. With --user, asks for your API key, checks it by a free balance read, and keeps it in a file that only you can read.',
    flags: { 'Options:': ['user'] },
    examples: ['evolink config init', 'evolink config init --user', 'evolink config init --user < key.txt'],
    run: async (call) => (await import('./config.ts')).runConfigInit(call),
  }),
  command('config get', 'print one setting', {
    description:
      'Prints the value that holds, from whatever source; an empty line if it is not set. The API key is masked.',
    arguments: [SETTING],
    examples: ['evolink config get quality'],
    run: async (call) => (await import('./config.ts')).runConfig(call),
  }),
  command('config set', 'change a setting in your own config', {
    description:
      'Changes one line of your own config and keeps its comments. The API key is asked for, or read from standard input, as other users can see arguments.',
    arguments: [SETTING, ['[value]', 'as in the file; none for api_key']],
    examples: ['evolink config set max_credits 200', 'evolink config set api_key < key.txt'],
    run: async (call) => (await import('./config.ts')).runConfigSet(call),
  }),
  command('config unset', 'remove a setting from your own config', {
    arguments: [SETTING],
    run: async (call) => (await import('./config.ts')).runConfigUnset(call),
  }),
  command('config path', 'print where your own config is', {
    run: async (call) => (await import('./config.ts')).runConfigPath(call),
  }),
  command('doctor', 'check your setup', {
    description:
      'Checks Node, config, key, proxy, service, clock, records and disk. Costs nothing. Exits with 0, or with the exit code of the first problem.',
    examples: ['evolink doctor', 'evolink doctor --json'],
    run: async (call) => (await import('./doctor.ts')).runDoctor(call),
  }),
  command('sandbox', 'a local EvoLink API to develop against', {
    description: 'Runs the API on loopback: no key, no network, no cost, real clips, faults on demand.',
    flags: { 'Options:': ['port', 'speed', 'faults', 'credits', 'seed'] },
    examples: [
      'evolink sandbox --port 8787',
      'EVOLINK_BASE_URL=http://127.0.0.1:8787 EVOLINK_API_KEY=sandbox-key-0001 evolink t2v "a paper boat"',
    ],
    run: async (call) => (await import('./sandbox.ts')).runSandbox(call),
  }),
  command('schema', 'JSON Schema of job files and of every JSON output', {
    description:
      'Prints the JSON Schema of job files, so that an editor completes and checks them, or of what --json and --events print.',
    arguments: [['[of]', 'which one (default job-file)', SCHEMAS.split(' ')]],
    examples: ['evolink schema > job-file.schema.json', 'evolink schema report > report.schema.json'],
    run: async (call) => (await import('./schema.ts')).runSchema(call),
  }),
  command('skill', 'print a SKILL.md for coding agents', {
    description:
      'Prints instructions for agents: plan, ask before spending, submit, continue, read the results.',
    flags: { 'Options:': ['install'] },
    examples: ['evolink skill --install .claude/skills/evolink'],
    run: async (call) => (await import('./topics.ts')).runSkill(call),
  }),
  command('completion', `completion for ${SHELLS.join(', ')}`, {
    description:
      'Prints a completion script, or sets it up: writes the script and adds one marked line to the start file of the shell.',
    arguments: [['[shell]', 'the shell (with --install by default the one of SHELL)', SHELLS]],
    flags: { 'Options:': ['installShell'] },
    examples: [
      'evolink completion --install',
      'eval "$(evolink completion bash)"',
      'eval "$(evolink completion zsh)"',
      'evolink completion fish > ~/.config/fish/completions/evolink.fish',
      'evolink completion powershell >> $PROFILE',
    ],
    run: async (call) => (await import('./completion.ts')).runCompletion(call),
  }),
];
