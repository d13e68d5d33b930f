import { Argument, Command, CommanderError } from 'commander';
import { EvolinkError, EXIT_CODES } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import type { OutputForm, Reporter } from '../ui/reporter.ts';
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
import type { Shell } from './completion.ts';

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const satisfies readonly Shell[];

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
      const { completionScript, readCommandTree } = await import('./completion.ts');
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

interface ProgramOutput {
  readonly writeOut: (text: string) => void;
  readonly writeErr: (text: string) => void;
}

/** The width of the help that is made at build time for `bin/evolink.js`; a narrower terminal gets its own. */
const HELP_COLUMNS = 80;

/** All verbs but `completion` and `help`, in the order of the help: what declares them, and under which headline. */
const VERBS: readonly {
  readonly names: readonly string[];
  readonly declare: (program: Command, context: Context, end: (exit: number) => void) => void;
  readonly group?: string;
}[] = [
  { names: ['t2v', 'i2v', 'ref'], declare: declareGenerate, group: 'Make clips:' },
  { names: ['run'], declare: declareRun },
  { names: ['status'], declare: declareStatus, group: 'Follow tasks:' },
  { names: ['download'], declare: declareDownload },
  { names: ['resume'], declare: declareResume },
  { names: ['forget'], declare: declareForget },
  { names: ['report'], declare: declareReport },
  { names: ['credits'], declare: declareCredits, group: 'Money:' },
  { names: ['check'], declare: declareCheck, group: 'Media:' },
  { names: ['upload'], declare: declareUpload },
  { names: ['config'], declare: declareConfig, group: 'Set up:' },
  { names: ['doctor'], declare: declareDoctor },
  { names: ['sandbox'], declare: declareSandbox },
  { names: ['schema'], declare: declareSchema },
];

/**
 * The command line. Where `argv` begins with a known verb, that verb is all of it: declaring the flags of all takes longer
 * than most commands do. Every verb is made by `.command()` of this configured program, so that it inherits the exit
 * override and the outputs. `end` is told the exit code of the command that ran.
 */
export function buildProgram(
  context: Context,
  output: ProgramOutput,
  end: (exit: number) => void,
  argv: readonly string[] = [],
): Command {
  const verb = argv.find((word) => !word.startsWith('-')) ?? '';
  const named = VERBS.filter(({ names }) => names.includes(verb));
  const program = new Command('evolink')
    .description(
      `Turn text, images, video and audio into finished video files, through the EvoLink API (Seedance 2.0).

  evolink t2v "a paper boat on a lake at dawn" --sandbox
  evolink run jobs.yaml --dry-run

First steps: try it with --sandbox, which needs no key. Then create a key at
https://evolink.ai/dashboard/keys, save it to a file, name that file in
EVOLINK_API_KEY_FILE, and run \`evolink doctor\`.`,
    )
    .version(context.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: output.writeOut,
      writeErr: output.writeErr,
      getOutHelpWidth: () => Math.min(context.io.stdout.columns(), HELP_COLUMNS),
      getErrHelpWidth: () => Math.min(context.io.stderr.columns(), HELP_COLUMNS),
      getOutHasColors: () => context.io.stdout.colorLevel > 0,
      getErrHasColors: () => context.io.stderr.colorLevel > 0,
      outputError: () => undefined,
    })
    .showSuggestionAfterError();
  addFormFlags(program);
  for (const { declare, group } of named.length > 0 ? named : VERBS) {
    if (group !== undefined) program.commandsGroup(group);
    declare(program, context, end);
  }
  if (named.length > 0) return program;
  declareCompletion(program, output, end);
  addHelpTopics(program, context, output, end);
  return program;
}

/**
 * Runs one command line (without `node` and the script).
 * @returns the exit code of the contract; everything is written when it resolves
 */
export async function run(argv: readonly string[], context: Context): Promise<number> {
  const form = argv.includes('--events') ? 'events' : argv.includes('--json') ? 'json' : 'human';
  const texts: string[] = [];
  const output = {
    writeOut: (text: string): void => void texts.push(text),
    // A refusal is an error in the other forms.
    writeErr: (text: string): void => void (form === 'human' && context.io.stderr.write(text)),
  };
  let exit = 0;
  const end = (code: number): void => {
    exit = code;
  };
  const program = buildProgram(context, output, end, argv);
  const openReporter = async (): Promise<Reporter> =>
    (await import('../ui/reporter.ts')).createReporter({
      io: context.io,
      clock: context.clock,
      form,
      verbosity: 'normal',
      hasProgress: false,
      isCi: false,
      folder: context.cwd,
    });
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    const known = await explain(error, argv, form);
    const isHelp = error instanceof CommanderError && error.exitCode === 0;
    exit = isHelp ? 0 : (known?.exit ?? EXIT_CODES.usage.exit);
    if (known !== undefined) await (await openReporter()).error(known);
  }
  const text = texts.join('');
  if (text !== '' && form === 'human') await context.io.stdout.write(text);
  else if (text !== '') await (await openReporter()).print('text', { text }, text);
  return exit === 0 ? checkStdout(context) : exit;
}

async function explain(
  error: unknown,
  argv: readonly string[],
  form: OutputForm,
): Promise<EvolinkError | undefined> {
  if (error instanceof CommanderError) {
    // Help that was asked for, and help that stands in for a missing subcommand.
    if (error.exitCode === 0 || (error.code === 'commander.help' && form === 'human')) return undefined;
    return (await import('./usage.ts')).usageError(error, argv);
  }
  return (await import('./frame.ts')).unexpected(error);
}

/** What was said on stdout has to arrive: a result that is lost there goes to stderr, with an exit code that says so. */
async function checkStdout({ io }: Context): Promise<number> {
  // Behind what is still on its way.
  await io.stdout.write('');
  const failure = io.stdout.failure();
  if (failure === undefined) return 0;
  const [{ formatError }, { createTheme }] = await Promise.all([
    import('../ui/errors.ts'),
    import('../ui/theme.ts'),
  ]);
  const error = new EvolinkError('local-io', `can't write to standard output (${failure.code}); it lacks:`, {
    details: failure.lost.split('\n').filter((line) => line !== ''),
  });
  await io.stderr.write(formatError(error, createTheme({ isUnicode: io.isUnicode })));
  return error.exit;
}
