import { EvolinkError } from '../errors.ts';
import type { Reporter } from '../ui/reporter.ts';

const SANDBOX_FLAG = '--sandbox';
/** The commands that work in a journal or with a service, so that it matters in which. */
const OWN_COMMAND =
  /\b(evolink (?:t2v|i2v|ref|run|status|download|resume|history|show|again|open|forget|credits|upload))\b(?! --(?:sandbox|help)\b)/g;

/** Makes the commands that a text names work when copied: those of the sandbox need `--sandbox`. */
export function createOwnCommands(isSandbox: boolean) {
  const inText = (text: string): string =>
    isSandbox ? text.replaceAll(OWN_COMMAND, `$1 ${SANDBOX_FLAG}`) : text;
  const inArguments = (words: readonly string[]): readonly string[] =>
    isSandbox && !words.includes(SANDBOX_FLAG) ? [...words, SANDBOX_FLAG] : words;
  /** In its hint, its details and the command that continues. */
  const inError = (error: EvolinkError): EvolinkError =>
    new EvolinkError(error.kind, error.message, {
      ...error.facts,
      hint: error.facts.hint && inText(error.facts.hint),
      details: error.facts.details?.map(inText),
      resume: error.facts.resume && inArguments(error.facts.resume),
    });
  return { inText, inArguments, inError: isSandbox ? inError : (error: EvolinkError) => error };
}

/** A reporter that names commands as they work. */
export function withOwnCommands(
  reporter: Reporter,
  { inText, inArguments, inError }: ReturnType<typeof createOwnCommands>,
): Reporter {
  return {
    ...reporter,
    event: (event) =>
      reporter.event(event.kind === 'warning' ? { ...event, message: inText(event.message) } : event),
    result: (result) =>
      reporter.result({
        ...result,
        next: result.next && inArguments(result.next),
        warnings: result.warnings.map(inText),
      }),
    print: (name, body, human, error) => reporter.print(name, body, human, error && inError(error)),
    error: (error) => reporter.error(inError(error)),
    stopped: (error, facts) =>
      reporter.stopped(error, { ...facts, resume: facts.resume && inArguments(facts.resume) }),
  };
}
