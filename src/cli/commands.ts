import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import type { Context } from '../platform/context.ts';
import { ASPECT_RATIOS, type Operation, QUALITIES, TIERS } from '../request/models.ts';
import type { SchemaName } from './schema.ts';

/** Adds a value to those that a repeatable flag has gathered. */
function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value];
}

/** Form of the output: on every command, before or after its name. No defaults here: the merge needs to know what was typed. */
export function addFormFlags(program: Command): void {
  program
    .option('--json', 'print one JSON document on stdout')
    .option('--events', 'stream progress events as NDJSON on stdout')
    .option('--quiet', 'print errors and security warnings only')
    .option('--verbose', 'verbose output')
    .option('--debug', 'debug output with stack traces')
    .option('--no-color', 'disable colors')
    .option('--no-progress', 'disable progress bars and spinners')
    .option('--sandbox', 'use the built-in sandbox: no key, no network, no cost');
}

/** Prompt and source of a generating command. */
function addPromptFlags(command: Command): void {
  command
    .optionsGroup('Prompt (exactly one):')
    .option('-p, --prompt <text>', 'the prompt, instead of the argument')
    .option('--prompt-file <file>', 'read the prompt from a file, or from standard input with -')
    .optionsGroup('Source:')
    .option('-f, --file <job>', 'job file or API body (YAML or JSON); flags override it')
    .option('--job <name>', 'job to use if the file has several');
}

/** Settings of the request. */
function addRequestFlags(command: Command): void {
  command
    .optionsGroup('Request:')
    .option('--tier <tier>', `${TIERS.join('|')} (default standard)`)
    .option('--model <id>', 'model id, instead of a tier')
    .option('-d, --duration <seconds>', 'whole seconds, 4 to 15 (default 5)')
    .option('-q, --quality <quality>', `${QUALITIES.join('|')} (default 720p)`)
    .option('-r, --aspect-ratio <ratio>', `${ASPECT_RATIOS.join('|')} (default 16:9)`)
    .option('--mute', 'make a clip without sound')
    .option('--no-mute', 'make a clip with sound (overrides config)')
    .option('--content-filter', 'enable the content filter (overrides config)')
    .option('--no-content-filter', 'relax the content filter (costs 1.1 times as much)')
    .option('--callback-url <url>', 'HTTPS URL that the service calls when the task ends');
}

/** Where the clip goes. */
function addOutputFlags(command: Command): void {
  command
    .optionsGroup('Output:')
    .option('-o, --output <path>', 'file, directory/, pattern ({slug}-{id}.mp4), or - for stdout')
    .addOption(new Option('--overwrite', 'replace an existing file').conflicts('skipExisting'))
    .option('--skip-existing', 'do nothing if the file exists')
    .option('--sidecar', 'write clip.mp4.json beside the clip: request, credits, times, SHA-256')
    .option('--no-sidecar', 'disable the sidecar (overrides config)');
}

/** How far to go, and how much it may cost. */
function addControlFlags(command: Command): void {
  command
    .optionsGroup('Control:')
    .option('--no-wait', 'submit, print the task id and exit')
    .option('--timeout <time>', 'how long to wait, e.g. 90s, 30m, 2h; 0 checks once and exits (default 30m)')
    .option('--dry-run', 'print the exact request and the estimate; send nothing')
    .option('--max-credits <credits>', "don't submit if the estimate exceeds this", parseCredits)
    .option('--new', 'submit even if an identical request is still running');
}

/** A limit in credits: a number of 0 or more. */
function parseCredits(value: string): number {
  const credits = Number(value);
  if (value.trim() === '' || !Number.isFinite(credits) || credits < 0) {
    throw new InvalidArgumentError('It must be a number of credits, such as 100 or 67.5.');
  }
  return credits;
}

interface GenerateCommand {
  readonly operation: Operation;
  readonly summary: string;
  readonly examples: readonly string[];
  readonly addMedia: (command: Command) => void;
}

/** Local files are always checked. */
const CHECK_URLS = ['--check-urls', 'check media URLs too, by their first bytes'] as const;

/** The three generating commands, a row each. */
const COMMANDS: readonly GenerateCommand[] = [
  {
    operation: 't2v',
    summary: 'text to video: one clip from a prompt',
    examples: [
      'evolink t2v "a paper boat on a lake at dawn" -d 8 -r 9:16',
      'file=$(evolink t2v "a paper boat" -o clips/)',
    ],
    addMedia: (command) => {
      command
        .optionsGroup('Request:')
        .option('--web-search', 'let the model search the web (billed per search)')
        .option('--no-web-search', 'disable web search (overrides config)');
    },
  },
  {
    operation: 'i2v',
    summary: 'image to video: from a first frame, or a first and a last',
    examples: [
      'evolink i2v "the camera slowly zooms in" -i first.jpg',
      'evolink i2v "day turns to night" --first https://example.com/day.jpg --last https://example.com/night.jpg',
    ],
    addMedia: (command) => {
      command
        .optionsGroup('Media:')
        .option('-i, --image <file|url>', 'first frame; given again, the last frame', collect)
        .addOption(new Option('--first <file|url>', 'first frame').conflicts('image'))
        .addOption(new Option('--last <file|url>', 'last frame').conflicts('image'))
        .option(...CHECK_URLS);
    },
  },
  {
    operation: 'ref',
    summary: 'reference to video: from images, video and audio',
    examples: [
      'evolink ref "the art style of image 1, audio 1 as music" -i style.png -a https://example.com/bgm.mp3',
      'evolink ref -f body.json --json',
    ],
    addMedia: (command) => {
      command
        .optionsGroup('Media (order counts: "image 1" is the first):')
        .option('-i, --image <file|url>', 'reference image, up to 9', collect)
        .option('-v, --video <file|url>', 'reference video, up to 3', collect)
        .option('-a, --audio <file|url>', 'reference audio, up to 3, never alone', collect)
        .option(...CHECK_URLS);
    },
  },
];

/** Declares `t2v`, `i2v` and `ref`. What they do is loaded when one of them runs. */
export function declareGenerate(program: Command, context: Context, end: (exit: number) => void): void {
  for (const { operation, summary, examples, addMedia } of COMMANDS) {
    const command = program
      .command(operation)
      .summary(summary)
      .description(`${summary}.`)
      .argument('[prompt]', 'the prompt; - reads it from standard input');
    addPromptFlags(command);
    addMedia(command);
    addRequestFlags(command);
    addOutputFlags(command);
    addControlFlags(command);
    command.addHelpText('after', `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}`);
    command.action(async (prompt: string | undefined, _options: unknown, self: Command) => {
      const { runGenerate } = await import('./generate.ts');
      end(await runGenerate(context, { operation, prompt, options: self.optsWithGlobals() }));
    });
  }
}

/** Declares `run`. What it does is loaded when it runs. */
export function declareRun(program: Command, context: Context, end: (exit: number) => void): void {
  const command = program
    .command('run')
    .summary('all jobs of job files: make what is missing or has changed')
    .description(
      'Plans the jobs of YAML or JSON job files, then makes the clips that are missing or whose request has changed. Clips that are up to date are left alone; tasks that are still running are resumed.',
    )
    .argument('[file...]', 'job files');
  addSelectionFlags(command);
  addMoneyFlags(command);
  addWorkFlags(command);
  command
    .addHelpText(
      'after',
      '\nExamples:\n  evolink run --init && evolink run evolink.yaml --sandbox\n  evolink run jobs.yaml --dry-run\n  evolink run jobs.yaml --shard 1/4 --max-credits 500 --report report.html --report junit.xml',
    )
    .action(async (files: string[], _options: unknown, self: Command) => {
      const { runJobs } = await import('./run-jobs.ts');
      end(await runJobs(context, { files, options: self.optsWithGlobals() }));
    });
}

function addSelectionFlags(command: Command): void {
  command
    .optionsGroup('Which jobs:')
    .option('--only <glob>', 'only jobs with this name, e.g. "hero" or "product/*"; repeatable', collect)
    .option('--skip <glob>', 'all jobs but these; repeatable', collect)
    .option('--shard <i/n>', 'the i-th of n parts, for several machines')
    .option('--force', 'make selected clips again even if they are up to date')
    .option('--max-jobs <count>', 'how many jobs the files may expand to (default 10000)', parseCount);
}

function addMoneyFlags(command: Command): void {
  command
    .optionsGroup('Money:')
    .option('--dry-run', 'print the plan; send nothing, need no key')
    .option(
      '--max-credits <credits>',
      'budget of the run: refuse a plan above it, stop before it is exceeded',
      parseCredits,
    )
    .option('--allow-partial', 'go as far as the balance or --max-credits allows')
    .option('--yes', "don't ask before a large plan")
    .option(
      '--retry-failed <times>',
      'resubmit tasks that failed for a temporary reason (default 0)',
      parseCount,
    );
}

function addWorkFlags(command: Command): void {
  command
    .optionsGroup('Work:')
    .option('--concurrency <tasks>', 'tasks at the same time (default 4)', parseCount)
    .option('--timeout <time>', 'how long to wait for each task, e.g. 90s, 30m, 2h (default 30m)')
    .option('--check-urls', 'check all media URLs of the plan, by their first bytes')
    .addOption(new Option('--no-check-urls', 'check none (default)').hideHelp())
    .addOption(new Option('--keep-going', 'continue when a job fails (default)').conflicts('failFast'))
    .addOption(new Option('--fail-fast', 'submit nothing more once a job fails; running tasks are saved'))
    .option('--report <file>', 'write a report: .json, .xml (JUnit), .md, .html; repeatable', collect)
    .option('--init [file]', 'write a commented example (default evolink.yaml) and exit');
}

function parseCount(value: string): number {
  const count = Number(value);
  if (/^\d{1,7}$/.test(value)) return count;
  throw new InvalidArgumentError('It must be a whole number.');
}

/** Declares `resume`. */
export function declareResume(program: Command, context: Context, end: (exit: number) => void): void {
  const command = program
    .command('resume')
    .summary('continue unfinished tasks: look up, wait, save')
    .description(
      'Continues everything unfinished, or the given tasks: looks up uncertain submissions, waits, saves. Costs nothing.',
    )
    .argument('[id...]', 'task ids or local ids')
    .option('--timeout <time>', 'how long to wait, e.g. 90s, 30m, 2h; 0 checks once and exits (default 30m)')
    .option('--resubmit <id>', 'send an uncertain request again, with the same idempotency key')
    .option('--task <id>', 'the task of an uncertain request, as found in the dashboard')
    .option('--dry-run', 'show what would be done, do nothing');
  addOutputFlags(command);
  command
    .addHelpText(
      'after',
      '\nExamples:\n  evolink resume\n  evolink resume task-unified-1774857405-abc123 --timeout 2h',
    )
    .action(async (ids: string[], _options: unknown, self: Command) => {
      const { runResume } = await import('./resume.ts');
      end(await runResume(context, { ids, options: self.optsWithGlobals() }));
    });
}

/** Declares `status`. */
export function declareStatus(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('status')
    .summary('show tasks, their progress and the time left on their links')
    .description(
      'Shows state, progress and time left on the link, of the given tasks or of everything unfinished or unsaved.',
    )
    .argument('[id...]', 'task ids or local ids')
    .option('--watch', 'keep watching until everything has ended')
    .addOption(
      new Option(
        '--prune [age]',
        'remove records of tasks that ended longer ago than this (default 30d)',
      ).conflicts('watch'),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  evolink status\n  evolink status task-unified-1774857405-abc123 --json',
    )
    .action(async (ids: string[], _options: unknown, self: Command) => {
      const { runStatus } = await import('./status.ts');
      end(await runStatus(context, { ids, options: self.optsWithGlobals() }));
    });
}

/** Declares `download`. */
export function declareDownload(program: Command, context: Context, end: (exit: number) => void): void {
  const command = program
    .command('download')
    .summary('save finished tasks')
    .description(
      'Saves the clips of finished tasks: the given ones (a task id works on any machine), or all of them.',
    )
    .argument('[id...]', 'task ids or local ids')
    .option('--all', 'save everything that is finished and not saved')
    .option('--unverified', "save a clip even if it can't be read as a video");
  addOutputFlags(command);
  command
    .addHelpText(
      'after',
      '\nExamples:\n  evolink download task-unified-1774857405-abc123 -o clip.mp4\n  evolink download --all',
    )
    .action(async (ids: string[], _options: unknown, self: Command) => {
      const { runDownload } = await import('./download.ts');
      end(await runDownload(context, { ids, options: self.optsWithGlobals() }));
    });
}

/** Declares `upload`. */
export function declareUpload(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('upload')
    .summary('upload reference media and print the URLs')
    .description(
      'Checks local files, uploads them (free; kept for 72 hours) and prints one URL per line, in order. Generating commands do this on their own.',
    )
    .argument('[file...]', 'images, video or audio')
    .addOption(new Option('--list', 'list uploaded files').conflicts('delete'))
    .option('--delete <id>', 'delete an uploaded file; repeatable', collect)
    .addHelpText(
      'after',
      '\nExamples:\n  evolink upload style.png bgm.mp3\n  evolink upload --list\n  evolink upload --delete file_abc123',
    )
    .action(async (files: string[], _options: unknown, self: Command) => {
      const { runUpload } = await import('./upload.ts');
      end(await runUpload(context, { files, options: self.optsWithGlobals() }));
    });
}

/** Declares `check`. */
export function declareCheck(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('check')
    .summary("check media files against the API's limits")
    .description(
      'Checks images, video and audio, or the media of all jobs of a job file: type, pixels, length, frame rate, size. Sends nothing. Exits with 0 if all fit, else 2.',
    )
    .argument('<file...>', 'media files, or job files')
    .option('--check-urls', 'check URLs too, by their first bytes')
    .option('--job <name>', 'job to check if a file has several (default: all)')
    .addHelpText(
      'after',
      '\nExamples:\n  evolink check style.png intro.mp4\n  evolink check job.yaml --json\n  evolink check https://example.com/clip.mp4 --check-urls',
    )
    .action(async (files: string[], _options: unknown, self: Command) => {
      const { runCheck } = await import('./check.ts');
      end(await runCheck(context, { files, options: self.optsWithGlobals() }));
    });
}

/** Declares `forget`. */
export function declareForget(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('forget')
    .summary('dismiss a record that you have checked')
    .description(
      'Dismisses the record of a request whose outcome is unknown and that the dashboard does not show, or of a task that the service does not know: the same request is new afterwards. Looks once more first; tasks that exist are refused. A file of the state folder that cannot be read as a record is put away.',
    )
    .argument('<id>', 'whole request or task id, or the path of a record file')
    .option('--yes', "don't ask")
    .addHelpText('after', '\nExamples:\n  evolink forget 20261121-091502-k3f9q2 --yes')
    .action(async (id: string, _options: unknown, self: Command) => {
      const { runForget } = await import('./forget.ts');
      end(await runForget(context, { id, options: self.optsWithGlobals() }));
    });
}

/** Declares `credits`. */
export function declareCredits(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('credits')
    .summary('show your balance and the spending on this machine')
    .description(
      'Shows the balance of the account and of the key, and the spending on this machine by its records. Costs nothing.',
    )
    .addHelpText('after', '\nExamples:\n  evolink credits\n  evolink credits --json')
    .action(async (_options: unknown, self: Command) => {
      const { runCredits } = await import('./credits.ts');
      end(await runCredits(context, self.optsWithGlobals()));
    });
}

/** Declares `config` and `config init`. */
export function declareConfig(program: Command, context: Context, end: (exit: number) => void): void {
  const config = program
    .command('config')
    .summary('show every setting, its value and where it came from')
    .description('Shows every setting, its value and where it came from; secrets are masked.')
    .addHelpText('after', '\nExamples:\n  evolink config\n  evolink config init')
    .action(async (_options: unknown, self: Command) => {
      const { runConfig } = await import('./config.ts');
      end(await runConfig(context, self.optsWithGlobals()));
    });
  config
    .command('init')
    .summary('write a commented .evolinkrc')
    .description('Writes a commented .evolinkrc into the working directory; an existing one is left alone.')
    .action(async (_options: unknown, self: Command) => {
      const { runConfigInit } = await import('./config.ts');
      end(await runConfigInit(context, self.optsWithGlobals()));
    });
}

/** Declares `doctor`. */
export function declareDoctor(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('doctor')
    .summary('check your setup')
    .description(
      'Checks Node, config, key, proxy, service, clock, records and disk. Costs nothing. Exits with 0, or with the exit code of the first problem.',
    )
    .addHelpText('after', '\nExamples:\n  evolink doctor\n  evolink doctor --json')
    .action(async (_options: unknown, self: Command) => {
      const { runDoctor } = await import('./doctor.ts');
      end(await runDoctor(context, self.optsWithGlobals()));
    });
}

/** Declares `report merge`. */
export function declareReport(program: Command, context: Context, end: (exit: number) => void): void {
  const report = program
    .command('report')
    .summary('merge reports of finished runs')
    .description('Works on the JSON reports of finished runs. Nothing is sent.')
    .helpCommand(false)
    .addHelpText(
      'after',
      '\nExamples:\n  evolink report merge shard-1.json shard-2.json --report gallery.html',
    );
  report
    .command('merge')
    .summary('make one report of several, such as shards')
    .description(
      'Reads JSON reports of `evolink run` and writes one report of all, in any format: merged shards, or another form of a single report.',
    )
    .argument('<file...>', 'JSON reports')
    .option('--report <file>', 'where to write: .json, .xml (JUnit), .md or .html; repeatable', collect)
    .addHelpText(
      'after',
      '\nExamples:\n  evolink report merge shard-1.json shard-2.json --report gallery.html\n  evolink report merge run.json --report run.html --report run.xml',
    )
    .action(async (files: string[], _options: unknown, self: Command) => {
      const { runReportMerge } = await import('./report-merge.ts');
      end(await runReportMerge(context, { files, options: self.optsWithGlobals() }));
    });
}

/** Declares `sandbox`. */
export function declareSandbox(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('sandbox')
    .summary('a local EvoLink API to develop against')
    .description('Runs the API on loopback: no key, no network, no cost, real clips, faults on demand.')
    .option('--port <port>', 'port of the API (default: any free one)')
    .option('--speed <factor>', 'how much faster than the real service (default 60)')
    .option('--faults <plan>', 'what goes wrong, e.g. "link:cut@65536": see evolink help faults')
    .option('--credits <credits>', 'balance at the start')
    .option('--seed <number>', 'seed of everything random')
    .addHelpText(
      'after',
      '\nExamples:\n  evolink sandbox --port 8787\n  EVOLINK_BASE_URL=http://127.0.0.1:8787 EVOLINK_API_KEY=sandbox-key-0001 evolink t2v "a paper boat"',
    )
    .action(async (_options: unknown, self: Command) => {
      const { runSandbox } = await import('./sandbox.ts');
      end(await runSandbox(context, self.optsWithGlobals()));
    });
}

/** The documents, of which `DOCUMENTS` has the schema, without loading it. */
const SCHEMAS = [
  'job-file',
  'report',
  'event',
  'result',
  'results',
  'error',
  'dry-run',
  'resume-plan',
  'status',
  'prune',
  'forget',
  'credits',
  'upload',
  'uploads',
  'delete',
  'check',
  'config',
  'written',
  'doctor',
  'sandbox',
  'merge',
  'schema',
  'text',
] as const satisfies readonly SchemaName[];

/** Declares `schema`. */
export function declareSchema(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('schema')
    .summary('JSON Schema of job files and of every JSON output')
    .description(
      'Prints the JSON Schema of job files, so that an editor completes and checks them, or of what --json and --events print.',
    )
    .addArgument(new Argument('[of]', 'which one').choices(SCHEMAS).default('job-file'))
    .addHelpText(
      'after',
      '\nExamples:\n  evolink schema > job-file.schema.json\n  evolink schema report > report.schema.json',
    )
    .action(async (name: SchemaName, _options: unknown, self: Command) => {
      const { runSchema } = await import('./schema.ts');
      end(await runSchema(context, { name, options: self.optsWithGlobals() }));
    });
}
