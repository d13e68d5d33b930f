import {
  type Charged,
  type ErrorFacts,
  type EvolinkError,
  EXIT_CODES,
  type StoppedError,
} from '../errors.ts';
import { quoteCommand, sanitizeServerText, toHumanPath } from '../platform/text.ts';
import type { Theme } from './theme.ts';

/** What the table of exit codes is sure of; the rest depends on how far the request came. */
const SURE: Readonly<Record<string, Charged>> = { no: 'no', yes: 'yes', maybe: 'unknown' };

/** Whether an ending cost something: its own word, else what its kind says, else how far the request came. */
export function resolveCharged(facts: ErrorFacts, kind?: EvolinkError['kind']): Charged {
  const { charged, taskId, localId } = facts;
  const known = charged ?? (kind && SURE[EXIT_CODES[kind].charged]);
  if (known !== undefined) return known;
  // The service decides whether a failed task is given back.
  if (taskId !== undefined) return kind === 'task-failed' ? 'unknown' : 'yes';
  return localId === undefined || kind === 'task-failed' ? 'no' : 'unknown';
}

/** The same in words for people; absent where money was never in question. */
function describeCharged({ kind, facts }: EvolinkError): string | undefined {
  const isKnown = facts.taskId !== undefined || facts.localId !== undefined;
  switch (resolveCharged(facts, kind)) {
    case 'no':
      return isKnown || kind === 'network' ? 'nothing was charged' : undefined;
    case 'yes':
      // The hint of a task that still runs says what it will cost.
      if (kind === 'pending') return undefined;
      return kind === 'expired' ? 'this task was charged' : 'already paid for; resuming is free';
    case 'unknown':
      // The details of a failed task say what the service says of its money.
      return kind === 'task-failed' ? undefined : "can't tell whether this was charged";
  }
}

export interface StopFacts extends Pick<ErrorFacts, 'taskId' | 'localId' | 'resume'> {
  /** Nothing is generated or billed any more: only the download stopped. */
  readonly isFinished?: boolean | undefined;
}

const MESSAGE_LENGTH = 4_000;
type Wrap = (line: string) => string;

/**
 * The text of an error for people, ending in a newline: what happened, its details, the ids, whether it was charged,
 * what to do next, the command that continues. `wrap` breaks the lines that nobody copies.
 */
export function formatError(error: EvolinkError, theme: Theme, wrap: Wrap = (line) => line): string {
  const { details = [], hint, resume } = error.facts;
  const [first = '', ...more] = linesOf(error.message);
  const charged = describeCharged(error);
  return toLines([
    wrap(`${theme.error('error:')} ${first}`),
    ...more,
    ...details.flatMap((detail) => {
      const [head = '', ...rest] = linesOf(detail);
      return [wrapProse(`  - ${head}`, wrap), ...rest];
    }),
    formatIds(error.facts, error.message),
    formatAnswer(error),
    charged && wrap(`  credits: ${charged}`),
    hint && wrapProse(`${theme.accent('hint:')} ${toHumanPath(hint)}`, wrap),
    formatResume(resume, theme),
  ]);
}

/** A command or a flag is for copying; a command at the end stays whole by itself. */
function wrapProse(line: string, wrap: Wrap): string {
  return /evolink |--/.test(line.replace(/: evolink .*$/, '')) ? line : wrap(line);
}

/** The later ones behind a visible mark, not only spaces: CI runners obey `::commands::` behind leading spaces. */
function linesOf(text: string): string[] {
  const lines = sanitizeServerText(text, { multiline: true, maxLength: MESSAGE_LENGTH }).split('\n');
  return lines.map((line, index) => (index === 0 ? line : `  | ${line}`));
}

/** What is printed when a signal stops a run: what goes on without us, its id, the command that continues. */
export function formatStopped(
  error: StoppedError,
  facts: StopFacts,
  { theme, wrap = (line) => line }: { theme: Theme; wrap?: Wrap },
): string {
  return toLines([
    `${theme.warning('stopped:')} ${error.signal} received`,
    wrap(`  ${describeStopped(facts)}`),
    formatIds(facts),
    formatResume(facts.resume, theme),
  ]);
}

/** One sentence on what a stop means for the money. */
export function describeStopped(facts: StopFacts): string {
  if (facts.isFinished === true)
    return 'stopped downloading; the task is finished and paid for, and resuming is free';
  if (facts.taskId !== undefined) return 'stopped waiting; the task keeps running and will be billed';
  if (facts.localId !== undefined)
    return 'the request may have been submitted; if so, it keeps running and will be billed';
  return 'nothing was submitted';
}

/** What the message says already is not said again. */
function formatIds({ taskId, localId }: StopFacts, message = ''): string | undefined {
  const id = taskId ?? localId;
  if (id !== undefined && message.includes(id)) return undefined;
  return id && `  ${taskId === undefined ? 'request' : 'task'}: ${sanitizeServerText(id)}`;
}

function formatAnswer({ message, facts }: EvolinkError): string | undefined {
  const { httpStatus, serviceCode, requestId } = facts;
  const parts = [
    httpStatus && `HTTP ${httpStatus}`,
    serviceCode && !message.includes(serviceCode) && `code ${sanitizeServerText(serviceCode)}`,
    requestId && `request id ${sanitizeServerText(requestId)}`,
  ].filter((part) => part);
  return parts.length === 0 ? undefined : `  answer: ${parts.join(', ')}`;
}

function formatResume(resume: readonly string[] = [], theme: Theme): string | undefined {
  if (resume.length === 0) return undefined;
  return `${theme.accent('continue with:')} ${theme.bold(toHumanPath(quoteCommand(resume)))}`;
}

function toLines(lines: readonly (string | undefined)[]): string {
  return lines.map((line) => line && `${line}\n`).join('');
}
