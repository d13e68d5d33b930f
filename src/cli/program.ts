import { Argument, Command, CommanderError } from 'commander';
import { EvolinkError, EXIT_CODES } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import {
  addFormFlags,
  declareCheck,
  declareConfig,
  declareCredits,
  declareDoctor,
  declareDownload,
  declareForget,
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

/** The pages of the reference: `src/docs/NAME.md`. */
const TOPICS: Readonly<Record<string, string>> = {
  'job-files': 'one request or many jobs in a file',
  'reference-to-video': 'recipes: edit, extend, camera, sound',
  models: 'models, limits of media, sizes and prices',
  configuration: 'config files and every setting',
  environment: 'environment variables',
  output: 'streams, JSON, names of clips',
  'exit-codes': 'what each code means, and whether it was charged',
  faults: 'the sandbox, and what can go wrong in it on demand',
  ci: 'GitHub, GitLab, Jenkins, shards',
};

/** Makes `evolink help [command|topic]`. */
function addHelpTopics(
  program: Command,
  context: Context,
  output: ProgramOutput,
  end: (exit: number) => void,
): void {
  program.helpCommand(false);
  program
    .command('help')
    .summary('help for a command or a topic')
    .argument('[name]', 'command or topic')
    .action(async (name: string | undefined) => {
      const command = name === undefined ? program : program.commands.find((known) => known.name() === name);
      if (name !== undefined && Object.hasOwn(TOPICS, name)) {
        const { renderPage } = await import('./topics.ts');
        output.writeOut(`${await renderPage(name, Math.min(context.io.stdout.columns(), 110))}\n`);
      } else if (command !== undefined) command.outputHelp();
      else program.error(`unknown command or topic '${name}'`);
      end(0);
    });
  const rows = Object.entries(TOPICS)
    .map(([name, summary]) => `  evolink help ${name.padEnd(19)} ${summary}`)
    .join('\n');
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
  declareForget(program, context, end);
  declareCredits(program, context, end);
  declareUpload(program, context, end);
  declareCheck(program, context, end);
  declareReport(program, context, end);
  declareConfig(program, context, end);
  declareDoctor(program, context, end);
  declareSandbox(program, context, end);
  declareSchema(program, context, end);
  declareCompletion(program, output, end);
  addHelpTopics(program, context, output, end);
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
