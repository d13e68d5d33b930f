import { Argument, Command, CommanderError } from 'commander';
import { EvolinkError, EXIT_CODES, SIGNAL_EXITS } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import {
  addFormFlags,
  declareCheck,
  declareConfig,
  declareCredits,
  declareDoctor,
  declareDownload,
  declareGenerate,
  declareReport,
  declareResume,
  declareRun,
  declareSandbox,
  declareSchema,
  declareStatus,
  declareUpload,
} from './commands.ts';

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;
export type Shell = (typeof SHELLS)[number];

/** Declares `completion`. It reads the commands when it runs, so their order does not matter. */
function declareCompletion(program: Command, output: ProgramOutput, end: (exit: number) => void): void {
  program
    .command('completion')
    .summary(`completion for ${SHELLS.join(', ')}`)
    .description('Prints a script that completes commands, flags and values in a shell.')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText(
      'after',
      '\nExamples:\n  eval "$(evolink completion bash)"\n  evolink completion fish > ~/.config/fish/completions/evolink.fish',
    )
    .action(async (shell: Shell) => {
      const { completionScript } = await import('./completion.ts');
      const { readCommandTree } = await import('./completion.ts');
      output.writeOut(completionScript(shell, readCommandTree(program)));
      end(0);
    });
}

/** The exit-code contract as lines for a terminal. */
function exitCodesTopic(): string {
  const rows = Object.entries(EXIT_CODES).map(
    ([name, { exit, meaning, charged, again }]) =>
      `${String(exit).padStart(4)}  ${name.padEnd(12)} ${meaning}\n${' '.repeat(19)}charged: ${charged}; run again: ${again}`,
  );
  const signals = Object.entries(SIGNAL_EXITS).map(([name, exit]) => `${String(exit).padStart(4)}  ${name}`);
  return [
    'Exit codes. New ones may be added; the meaning of these never changes.',
    '',
    ...rows,
    '',
    'Ended by a signal (the task goes on, `evolink resume` continues):',
    ...signals,
  ].join('\n');
}

const JOB_FILES = `A job file holds one request (-f job.yaml), or the jobs of evolink run, in YAML or JSON with the API's own names:

  prompt: "The art style of image 1, audio 1 as background music"
  type: ref                    # t2v, i2v or ref; may be left out where the command or model says it
  tier: fast                   # or model: an id
  image_urls: [https://example.com/style.png]
  audio_urls: [https://example.com/music.mp3]
  duration: 8
  quality: 720p
  aspect_ratio: "9:16"
  output: clips/{slug}.mp4

The API's JSON bodies (model, prompt, image_urls, model_params, …) work as they stand, and so do the sidecars that
--sidecar writes: evolink t2v -f clip.mp4.json makes the same request again. Flags win over the file.

A file with several jobs is for evolink run (evolink run jobs.yaml makes what is missing or has changed); with -f,
--job NAME picks one of them:

  version: 1
  defaults: { tier: mini, output: "out/{job}-{ratio}.mp4" }  # for jobs that do not say otherwise
  vars: { tone: warm light }                                 # for all jobs; a job may have vars of its own
  jobs:
    hero:
      type: t2v
      prompt: "A paper boat, {{tone}}"                   # {{name}} stands for a value
      matrix: { aspect_ratio: ["16:9", "9:16"] }         # a job for each combination
    product:
      type: t2v
      prompt: "{{name}} on a marble table"
      for_each: products.csv                             # a job for each row; .csv, .json, .yaml, or a list

With both, each row is made for each combination. Two jobs can't have one output: tell them apart with {job}, {index},
{ratio} or a {{variable}}. Paths count from the file. evolink run jobs.yaml --dry-run prints the plan and sends nothing,
evolink run --init writes a commented example, evolink schema prints the JSON Schema.`;

const OUTPUT = `stdout is the result only: one saved path a line, the task id with --no-wait, one JSON document with --json, NDJSON
with --events, or the video itself with -o -. Everything for people goes to stderr.
A video is never put on a terminal. Of a command with -o - that was stopped, resume and download save the clip to a
file, unless they are given -o - as well, with one task.

-o takes a file, a folder (ends in / or exists), or a template with these fields:
  {id} {slug} {date} {time} {operation} {model} {tier} {ratio} {quality} {duration}
Without -o the file is {slug}-{id}.mp4 in the working directory. An existing file is an error before anything is paid
for; --overwrite replaces it, --skip-existing leaves it and does nothing. The clip of the very same command, saved
before, is no error: it is the answer, and nothing is sent.`;

interface Topic {
  readonly name: string;
  readonly summary: string;
  /** What a topic reads is loaded when it is asked for, so that help as such stays quick. */
  readonly load: () => Promise<string> | string;
}

const TOPICS: readonly Topic[] = [
  {
    name: 'exit-codes',
    summary: 'what each exit code means, and whether it was charged',
    load: exitCodesTopic,
  },
  {
    name: 'environment',
    summary: 'environment variables, and what wins over what',
    load: async () => (await import('./topics.ts')).environmentTopic(),
  },
  { name: 'job-files', summary: 'one request, or the jobs of a run, in a file', load: () => JOB_FILES },
  { name: 'output', summary: 'streams, names and templates', load: () => OUTPUT },
  {
    name: 'faults',
    summary: 'what can go wrong in the sandbox on demand',
    load: async () => (await import('./topics.ts')).faultsTopic(),
  },
];

/** The names of the help topics. */
const TOPIC_NAMES: readonly string[] = TOPICS.map(({ name }) => name);

/** Makes `evolink help [command|topic]`. */
function addHelpTopics(program: Command, output: ProgramOutput, end: (exit: number) => void): void {
  program.helpCommand(false);
  program
    .command('help')
    .summary(`help for a command, or a topic: ${TOPIC_NAMES.join(', ')}`)
    .argument('[name]', 'command or topic')
    .action(async (name: string | undefined) => {
      const topic = TOPICS.find((known) => known.name === name);
      const command = name === undefined ? program : program.commands.find((known) => known.name() === name);
      if (topic !== undefined) output.writeOut(`${await topic.load()}\n`);
      else if (command !== undefined) command.outputHelp();
      else program.error(`unknown command or topic '${name}'`);
      end(0);
    });
  const rows = TOPICS.map(({ name, summary }) => `  evolink help ${name.padEnd(13)} ${summary}`).join('\n');
  program.addHelpText('after', `\nTopics:\n${rows}`);
}

export interface ProgramOutput {
  readonly writeOut: (text: string) => void;
  readonly writeErr: (text: string) => void;
}

/**
 * The whole command line. Every verb is made by `.command()` of this configured program, so that it inherits the exit
 * override and the outputs. `end` is told the exit code of the command that ran.
 */
export function buildProgram(context: Context, output: ProgramOutput, end: (exit: number) => void): Command {
  const program = new Command('evolink')
    .description(
      'Videos through the EvoLink API (Seedance 2.0): submitted once, never lost, verified on disk.',
    )
    .version(context.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: output.writeOut,
      writeErr: output.writeErr,
      getOutHelpWidth: () => Math.min(context.io.stdout.columns(), 110),
      getErrHelpWidth: () => Math.min(context.io.stderr.columns(), 110),
      getOutHasColors: () => context.io.stdout.colorLevel > 0,
      getErrHasColors: () => context.io.stderr.colorLevel > 0,
      outputError: () => undefined,
    })
    .showSuggestionAfterError();
  addFormFlags(program);
  declareGenerate(program, context, end);
  declareRun(program, context, end);
  declareStatus(program, context, end);
  declareDownload(program, context, end);
  declareResume(program, context, end);
  declareCredits(program, context, end);
  declareUpload(program, context, end);
  declareCheck(program, context, end);
  declareReport(program, context, end);
  declareConfig(program, context, end);
  declareDoctor(program, context, end);
  declareSandbox(program, context, end);
  declareSchema(program, context, end);
  declareCompletion(program, output, end);
  addHelpTopics(program, output, end);
  return program;
}

/**
 * Runs one command line (without `node` and the script).
 * @returns the exit code of the contract; everything is written when it resolves
 */
export async function run(argv: readonly string[], context: Context): Promise<number> {
  const writes: Promise<void>[] = [];
  const output = {
    writeOut: (text: string): void => void writes.push(context.io.stdout.write(text)),
    writeErr: (text: string): void => void writes.push(context.io.stderr.write(text)),
  };
  let exit = 0;
  const program = buildProgram(context, output, (code) => {
    exit = code;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    exit = await explain(error, argv, context);
  }
  await Promise.all(writes);
  return exit;
}

async function explain(error: unknown, argv: readonly string[], context: Context): Promise<number> {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    // No command, or no subcommand, was named: the help has been shown instead.
    if (error.code === 'commander.help') return EXIT_CODES.usage.exit;
    return print(usageError(error, argv), argv, context);
  }
  const { unexpected } = await import('./frame.ts');
  return print(unexpected(error), argv, context);
}

/** The parser's own words, in our form: what, the value, and the command that says more. */
function usageError(error: CommanderError, argv: readonly string[]): EvolinkError {
  const message = error.message.replace(/^error: /, '');
  const [text = message, ...more] = message.split('\n').map((line) => line.replace(/^\(|\)$/g, ''));
  const verb = argv.find((word) => /^[a-z][a-z0-9]*$/.test(word));
  const isVerb = verb !== undefined && !text.startsWith('unknown command');
  const about = refusedKey(text) ?? text;
  return new EvolinkError('usage', about, {
    details: meantFlag(text) ?? more,
    hint: unquotedPrompt(error, verb) ?? (isVerb ? `evolink ${verb} --help` : 'evolink --help'),
    charged: 'no',
  });
}

/** What other tools call it, and too far from our word for a search by spelling. */
const OTHER_NAMES: Readonly<Record<string, string | undefined>> = {
  '--ratio': '--aspect-ratio',
  '--size': '--aspect-ratio',
  '--resolution': '--quality',
  '--length': '--duration',
  '--seconds': '--duration',
  '--no-audio': '--mute',
  '--silent': '--mute',
  '--force': '--overwrite',
};

function meantFlag(text: string): string[] | undefined {
  const [, flag = ''] = /^unknown option '(--[a-z-]+)/.exec(text) ?? [];
  const ours = OTHER_NAMES[flag];
  return ours === undefined ? undefined : [`Did you mean ${ours}?`];
}

/** Commands whose one argument is a prompt. */
const PROMPT_VERBS = ['t2v', 'i2v', 'ref'];

function unquotedPrompt({ code }: CommanderError, verb: string | undefined): string | undefined {
  if (code !== 'commander.excessArguments' || verb === undefined || !PROMPT_VERBS.includes(verb))
    return undefined;
  return `put the whole prompt in quotes: evolink ${verb} "a paper boat in the rain"`;
}

/** The arguments of a process can be read by every user of the machine. */
function refusedKey(text: string): string | undefined {
  if (!/unknown option '--(api-?)?(key|token)\b/i.test(text)) return undefined;
  return 'the API key is never taken from a flag, as others on the machine can see it: set EVOLINK_API_KEY or EVOLINK_API_KEY_FILE';
}

async function print(error: EvolinkError, argv: readonly string[], context: Context): Promise<number> {
  const { createReporter } = await import('../ui/reporters.ts');
  const form = argv.includes('--events') ? 'events' : argv.includes('--json') ? 'json' : 'human';
  const reporter = await createReporter({
    io: context.io,
    clock: context.clock,
    form,
    verbosity: 'normal',
    hasProgress: false,
    isCi: false,
  });
  await reporter.error(error);
  reporter.close();
  return error.exit;
}
