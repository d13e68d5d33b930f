import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { EvolinkError, EXIT_CODES } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import type { OutputForm, Reporter } from '../ui/reporter.ts';
import { COMMANDS, type CommandRow, TOPICS } from './commands.ts';
import { FLAGS, type FlagName, type FlagRow, FORM_FLAGS } from './flags.ts';

function reader(pattern: RegExp, expected: string, most = Number.MAX_VALUE) {
  return (text: string) => {
    if (pattern.test(text) && Number(text) <= most) return Number(text);
    throw new InvalidArgumentError(`It must be ${expected}.`);
  };
}

const READERS = {
  list: (text: string, earlier: unknown) => [...(Array.isArray(earlier) ? earlier : []), text],
  count: reader(/^\d{1,7}$/, 'a whole number'),
  number: reader(/^\d+(\.\d+)?$/, 'a number, 0 or more'),
  port: reader(/^\d{1,5}$/, 'a whole number from 0 to 65535; 0 takes any free port', 65_535),
  credits: reader(/^(\d+\.?\d*|\.\d+)(e\d+)?$/i, 'a number of credits, such as 100 or 67.5'),
} as const;

function addFlag(command: Command, name: FlagName, help: string = FLAGS[name].help): void {
  const row: FlagRow = FLAGS[name];
  const option = new Option(row.spelling, help);
  // Two commands may each have a flag of the same spelling.
  if (!option.negate) option.attributeName = () => name;
  if (row.reads !== undefined) option.argParser<unknown>(READERS[row.reads]);
  if (row.conflicts !== undefined) option.conflicts(row.conflicts);
  if (row.isHidden === true) option.hideHelp();
  command.addOption(option);
  if (row.noHelp !== undefined) command.option(row.spelling.replace('--', '--no-'), row.noHelp);
}

interface ProgramOutput {
  readonly writeOut: (text: string) => void;
  readonly writeErr: (text: string) => void;
}

interface Parts {
  readonly context: Context;
  readonly output: ProgramOutput;
  readonly end: (exit: number) => void;
}

function addCommand(program: Command, row: CommandRow, { context, output, end }: Parts): void {
  const words = row.name.split(' ');
  const parent = program.commands.find((each) => each.name() === words[0]);
  if (row.group !== undefined) program.commandsGroup(row.group);
  // Made by `.command()`, so that it inherits the exit override and the outputs.
  const command = (parent ?? program).command(words.at(-1) ?? row.name);
  command.summary(row.summary).description(row.description ?? `${row.summary}.`);
  if (row.argument !== undefined) {
    const argument = new Argument(...row.argument);
    command.addArgument(row.choices === undefined ? argument : argument.choices(row.choices));
  }
  if (row.second !== undefined) command.addArgument(new Argument(...row.second));
  for (const [heading, uses] of Object.entries(row.flags ?? {})) {
    if (heading !== 'Options:') command.optionsGroup(heading);
    for (const [name, help] of uses.map((use) => (typeof use === 'string' ? ([use] as const) : use)))
      addFlag(command, name, help);
  }
  const examples = row.examples?.map((example) => `\n  ${example}`).join('');
  if (examples !== undefined) command.addHelpText('after', `\nExamples:${examples}`);
  const { run } = row;
  if (run === undefined) command.helpCommand(false);
  else
    command.action(async (...given: readonly unknown[]) => {
      const self = given.at(-1);
      if (!(self instanceof Command)) return;
      const options = self.optsWithGlobals();
      end(await run({ context, args: self.args, options, print: output.writeOut }));
    });
}

/** Makes `evolink help [command|topic]`. */
function addHelpTopics(program: Command, { context, output, end }: Parts): void {
  program.helpCommand(false);
  program
    .command('help')
    .summary('help for a command or a topic')
    .argument('[name...]', 'command or topic')
    .action(async (names: readonly string[]) => {
      const [name, child] = names;
      const command = names.reduce<Command | undefined>(
        (found, each) => found?.commands.find((known) => known.name() === each),
        program,
      );
      if (name !== undefined && child === undefined && Object.hasOwn(TOPICS, name)) {
        const { renderPage } = await import('./topics.ts');
        output.writeOut(`${await renderPage(name, Math.min(context.io.stdout.columns(), 110))}\n`);
      } else if (command !== undefined) command.outputHelp();
      else program.error(`unknown command or topic '${names.join(' ')}'`);
      end(0);
    });
  const helper = program.createHelp();
  helper.helpWidth = Math.min(context.io.stdout.columns(), HELP_COLUMNS);
  const terms = Object.entries(TOPICS).map(([name, summary]) => [`evolink help ${name}`, summary] as const);
  const width = Math.max(...terms.map(([term]) => term.length));
  const rows = terms.map(([term, summary]) => helper.formatItem(term, width, summary, helper)).join('\n');
  program.addHelpText('after', `\nTopics:\n${rows}`);
}

/** The width of the help that is made at build time for `bin/evolink.js`; a narrower terminal gets its own. */
const HELP_COLUMNS = 80;

/**
 * The command line. Where `argv` begins with a known verb, that verb is all of it: declaring the flags of all takes longer
 * than most commands do. `end` is told the exit code of the command that ran.
 */
export function buildProgram(
  context: Context,
  output: ProgramOutput,
  end: (exit: number) => void,
  argv: readonly string[] = [],
): Command {
  const { stdout, stderr } = context.io;
  const verb = argv.find((word) => !word.startsWith('-'));
  const named = COMMANDS.filter(({ name }) => name.split(' ')[0] === verb);
  const program = new Command('evolink')
    .description(
      `Turn text, images, video and audio into finished video files, through the EvoLink API (Seedance 2.0).

  evolink t2v "a paper boat on a lake at dawn" --sandbox
  evolink run jobs.yaml --dry-run

First steps: try it with --sandbox, which needs no key. Then create a key at https://evolink.ai/dashboard/keys and run \`evolink config init --user\`.`,
    )
    .version(context.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, minWidthToWrap: 20 })
    .configureOutput({
      ...output,
      getOutHelpWidth: () => Math.min(stdout.columns(), HELP_COLUMNS),
      getErrHelpWidth: () => Math.min(stderr.columns(), HELP_COLUMNS),
      getOutHasColors: () => stdout.colorLevel > 0,
      getErrHasColors: () => stderr.colorLevel > 0,
      outputError: () => undefined,
    })
    .showSuggestionAfterError();
  for (const name of FORM_FLAGS) addFlag(program, name);
  const parts = { context, output, end };
  for (const row of named.length > 0 ? named : COMMANDS) addCommand(program, row, parts);
  if (named.length === 0) addHelpTopics(program, parts);
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
  if (argv[0] === '__complete') {
    const { completeWords } = await import('./complete.ts');
    await context.io.stdout.write(await completeWords(context, argv.slice(1)));
    return 0;
  }
  let exit = 0;
  const end = (code: number): void => {
    exit = code;
  };
  const program = buildProgram(context, output, end, argv);
  const openReporter = async (): Promise<Reporter> =>
    (await import('./frame.ts')).openReporter(context, {
      form: { json: form === 'json', events: form === 'events', progress: false },
    });
  try {
    const verb = argv.find((word) => !word.startsWith('-')) ?? 'help';
    const isKnown = program.commands.some((command) => command.name() === verb);
    // The parser would print the help of the program.
    if (!isKnown && /^(?:-h|--help)$/m.test(argv.join('\n'))) program.error(`unknown command '${verb}'`);
    const hasMedia = argv.some((word) => /^-([iva]|-image|-video|-audio)/.test(word));
    const words = hasMedia ? (await import('./media-words.ts')).spreadMedia(argv, context.cwd) : argv;
    await program.parseAsync([...words], { from: 'user' });
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
