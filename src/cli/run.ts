import { CommanderError } from 'commander';
import { EvolinkError, EXIT_CODES } from '../errors.ts';
import type { Context } from './context.ts';
import { buildProgram } from './program.ts';

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
  const { unexpected } = await import('./command-frame.ts');
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
  const { createReporter } = await import('../ui/pick-reporter.ts');
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
