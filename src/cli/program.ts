import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { EvolinkError, EXIT_CODES } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { all } from '../platform/text.ts';
import { COMMANDS, type CommandRow, TOPICS } from './commands.ts';
import { FLAGS, type FlagRow, FORM_FLAGS, type NumberName } from './flags.ts';

function reader(pattern: RegExp, expected: string, most = Number.MAX_VALUE) {
  return (text: string): number => {
    if (pattern.test(text) && Number(text) <= most) return Number(text);
    throw new InvalidArgumentError(`It must be ${expected}.`);
  };
}

const READERS: Readonly<Record<NumberName, ReturnType<typeof reader>>> = {
  ...all(reader(/^\d{1,7}$/, 'a whole number'), 'takes', 'count', 'times', 'tasks'),
  ...all(reader(/^\d+(\.\d+)?$/, 'a number, 0 or more'), 'factor', 'number'),
  port: reader(/^\d{1,5}$/, 'a whole number from 0 to 65535; 0 takes any free port', 65_535),
  credits: reader(/^(\d+\.?\d*|\.\d+)(e\d+)?$/i, 'a number of credits, such as 100 or 67.5'),
};

function addFlag(command: Command, name: string, row: FlagRow): void {
  const { spelling, help, noHelp } = row;
  const option = new Option(spelling, help).hideHelp(row.isHidden === true).conflicts(row.conflicts ?? []);
  // Two commands may each have a flag of the same spelling.
  if (!option.negate) option.attributeName = () => name;
  const value = Object.keys(READERS).find((each) => spelling.endsWith(`<${each}>`)) as NumberName | undefined;
  if (value !== undefined) option.argParser(READERS[value]);
  if (row.isList === true) option.argParser<string[]>((text, earlier = []) => [...earlier, text]);
  command.addOption(option);
  if (noHelp === undefined) return;
  const no = new Option(spelling.replace('--', '--no-'), noHelp);
  no.attributeName = option.attributeName;
  command.addOption(no);
}

function addCommand(program: Command, row: CommandRow): Command {
  const words = row.name.split(' ');
  const parent = program.commands.find((each) => each.name() === words[0]);
  if (row.group !== undefined) program.commandsGroup(row.group);
  // Made by `.command()`, so that it inherits the exit override and the outputs.
  const command = (parent ?? program).command(words.at(-1) ?? row.name);
  command.summary(row.summary).description(row.description ?? `${row.summary}.`);
  for (const [spelling, help, choices] of row.arguments ?? []) {
    const argument = new Argument(spelling, help);
    command.addArgument(choices === undefined ? argument : argument.choices(choices));
  }
  for (const [heading, uses] of Object.entries(row.flags ?? {})) {
    if (heading !== 'Options:') command.optionsGroup(heading);
    for (const name of uses)
      addFlag(command, name, { ...FLAGS[name], help: row.help?.[name] ?? FLAGS[name].help });
  }
  const examples = row.examples?.map((example) => `\n  ${example}`).join('');
  if (examples !== undefined) command.addHelpText('after', `\nExamples:${examples}`);
  return command;
}

/** Makes `evolink help [command|topic]`. */
function addHelpTopics(program: Command, { stdout }: Context['io'], { writeOut }: ProgramOutput): void {
  program.helpCommand(false);
  program
    .command('help')
    .summary('help for a command or a topic')
    .argument('[name...]', 'command or topic')
    .action(async (names: readonly string[]) => {
      const [name = ''] = names;
      let command: Command | undefined = program;
      for (const each of names) command = command?.commands.find((known) => known.name() === each);
      if (names.length === 1 && Object.hasOwn(TOPICS, name)) {
        const { renderPage } = await import('./topics.ts');
        writeOut(`${await renderPage(name, Math.min(stdout.columns(), 110))}\n`);
      } else if (command !== undefined) command.outputHelp();
      else program.error(`unknown command or topic '${names.join(' ')}'`);
    });
  const helper = program.createHelp();
  helper.helpWidth = Math.min(stdout.columns(), HELP_COLUMNS);
  const terms = Object.entries(TOPICS).map(([name, summary]) => [`evolink help ${name}`, summary] as const);
  const width = Math.max(...terms.map(([term]) => term.length));
  const rows = terms.map(([term, summary]) => helper.formatItem(term, width, summary, helper)).join('\n');
  program.addHelpText('after', `\nTopics:\n${rows}`);
}

type ProgramOutput = Readonly<Record<'writeOut' | 'writeErr', (text: string) => void>>;

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
  for (const [name, row] of Object.entries(FORM_FLAGS)) addFlag(program, name, row);
  for (const row of named.length > 0 ? named : COMMANDS) {
    const { run } = row;
    const command = addCommand(program, row);
    if (run === undefined) command.helpCommand(false);
    else
      command.action(async () =>
        end(await run({ context, args: command.args, options: command.optsWithGlobals() })),
      );
  }
  if (named.length === 0) addHelpTopics(program, context.io, output);
  return program;
}

/**
 * Runs one command line (without `node` and the script).
 * @returns the exit code of the contract; everything is written when it resolves
 */
export async function run(argv: readonly string[], context: Context): Promise<number> {
  const form = { events: argv.includes('--events'), json: argv.includes('--json'), progress: false };
  const isHuman = !form.events && !form.json;
  const texts: string[] = [];
  const output = {
    writeOut: (text: string): void => void texts.push(text),
    // A refusal is an error in the other forms.
    writeErr: (text: string): void => void (isHuman && context.io.stderr.write(text)),
  };
  let exit = 0;
  const end = (code: number): void => {
    exit = code;
  };
  const programOf = (words: readonly string[]): Command => buildProgram(context, output, end, words);
  if (argv[0] === '__complete') {
    const { completeWords } = await import('./completion.ts');
    const pages = Object.keys(TOPICS);
    await context.io.stdout.write(await completeWords(context, argv.slice(1), programOf, pages));
    return 0;
  }
  const openReporter = async () => (await import('./frame.ts')).openReporter(context, form);
  try {
    const program = programOf(argv);
    const verb = argv.find((word) => !word.startsWith('-')) ?? 'help';
    const isKnown = program.commands.some((command) => command.name() === verb);
    // The parser would print the help of the program.
    if (!isKnown && /^(?:-h|--help)$/m.test(argv.join('\n'))) program.error(`unknown command '${verb}'`);
    const hasMedia = argv.some((word) => /^-([iva]|-image|-video|-audio)/.test(word));
    const words = hasMedia ? (await import('./media.ts')).spreadMedia(argv, context.cwd) : argv;
    await program.parseAsync([...words], { from: 'user' });
  } catch (error) {
    const stop = error instanceof CommanderError ? error : undefined;
    // Help that was asked for, and help that stands in for a missing subcommand.
    if (stop?.exitCode === 0) exit = 0;
    else if (stop?.code === 'commander.help' && isHuman) exit = EXIT_CODES.usage.exit;
    else {
      const known = stop
        ? (await import('./usage.ts')).usageError(stop, argv)
        : (await import('./frame.ts')).unexpected(error);
      exit = known.exit;
      await (await openReporter()).error(known);
    }
  }
  const text = texts.join('');
  if (text !== '' && isHuman) await context.io.stdout.write(text);
  else if (text !== '') await (await openReporter()).print('text', { text }, text);
  return exit === 0 ? checkStdout(context) : exit;
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
