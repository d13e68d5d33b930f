import { EvolinkError } from '../errors.ts';
import type { Reporter } from '../ui/reporter.ts';

const SANDBOX_FLAG = '--sandbox';
/** The commands that work in a journal or with a service, so that it matters in which. */
const OWN_COMMAND =
  /\b(evolink (?:t2v|i2v|ref|run|status|download|resume|forget|credits|upload))\b(?! --(?:sandbox|help)\b)/g;

/** Makes the commands of this program that a text names work when copied: those of the sandbox need `--sandbox`. */
export interface OwnCommands {
  inText(text: string): string;
  inArguments(words: readonly string[]): readonly string[];
  /** In its hint, its details and the command that continues. */
  inError(error: EvolinkError): EvolinkError;
}

/** The one place that knows how a command has to be written to reach the journal and the service of this one. */
export function createOwnCommands({ isSandbox }: { readonly isSandbox: boolean }): OwnCommands {
  if (!isSandbox) return { inText: same, inArguments: same, inError: same };
  const inText = (text: string): string => text.replaceAll(OWN_COMMAND, `$1 ${SANDBOX_FLAG}`);
  const inArguments = (words: readonly string[]): readonly string[] =>
    words.includes(SANDBOX_FLAG) ? words : [...words, SANDBOX_FLAG];
  return {
    inText,
    inArguments,
    inError: (error) =>
      new EvolinkError(error.kind, error.message, {
        ...error.facts,
        hint: error.facts.hint && inText(error.facts.hint),
        details: error.facts.details?.map(inText),
        resume: error.facts.resume && inArguments(error.facts.resume),
      }),
  };
}

function same<T>(value: T): T {
  return value;
}

/** A reporter that names commands as they work. */
export function withOwnCommands(reporter: Reporter, commands: OwnCommands): Reporter {
  return {
    ...reporter,
    event(event) {
      const isWarning = event.kind === 'warning';
      reporter.event(isWarning ? { ...event, message: commands.inText(event.message) } : event);
    },
    result(result) {
      const next = result.next && commands.inArguments(result.next);
      return reporter.result({ ...result, next, warnings: result.warnings.map(commands.inText) });
    },
    print: (name, body, human, error) => reporter.print(name, body, human, error && commands.inError(error)),
    error: (error) => reporter.error(commands.inError(error)),
    stopped: (error, facts) =>
      reporter.stopped(error, { ...facts, resume: facts.resume && commands.inArguments(facts.resume) }),
  };
}
