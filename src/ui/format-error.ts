import type { EvolinkError, StoppedError, StopSignal } from '../errors.ts';
import { sanitizeServerText } from '../platform/server-text.ts';
import { describeCharged } from './charged.ts';
import { toHumanPath } from './human-path.ts';
import { quoteCommand } from './quote-command.ts';
import type { Theme } from './theme.ts';

export interface StopFacts {
  readonly taskId?: string | undefined;
  readonly localId?: string | undefined;
  readonly resume?: readonly string[] | undefined;
}

const MESSAGE_LENGTH = 4_000;

const STOP_REASONS: Record<StopSignal, string> = {
  SIGINT: 'interrupted (SIGINT)',
  SIGTERM: 'terminated (SIGTERM)',
  SIGHUP: 'the terminal hung up (SIGHUP)',
};

/**
 * The text of an error for people, ending in a newline: what happened, its details, the ids, whether it was charged,
 * what to do next, the command that continues. `wrap` breaks the lines that nobody copies.
 */
export function formatError(
  error: EvolinkError,
  theme: Theme,
  wrap: (line: string) => string = asItIs,
): string {
  const { details = [], hint, resume } = error.facts;
  const [first = '', ...more] = sanitizeServerText(error.message, {
    multiline: true,
    maxLength: MESSAGE_LENGTH,
  }).split('\n');
  const charged = describeCharged(error);
  return toLines([
    wrap(`${theme.error('error:')} ${first}`),
    // A visible mark, not only spaces: CI runners obey `::commands::` behind leading spaces.
    ...more.map((line) => `  | ${line}`),
    ...details.flatMap((detail) => formatDetail(detail)),
    formatIds(error.facts),
    formatAnswer(error),
    charged === undefined ? undefined : wrap(`  credits: ${charged}`),
    hint === undefined ? undefined : `${theme.accent('hint:')} ${toHumanPath(hint)}`,
    formatResume(resume, theme),
  ]);
}

/** The last words of a run that a signal stopped: what goes on without us, its id, the command that continues. */
export function formatStopped(
  error: StoppedError,
  facts: StopFacts,
  { theme, wrap = asItIs }: { theme: Theme; wrap?: (line: string) => string },
): string {
  return toLines([
    `${theme.warning('stopped:')} ${STOP_REASONS[error.signal]}`,
    wrap(`  ${describeStopped(facts)}`),
    formatIds(facts),
    formatResume(facts.resume, theme),
  ]);
}

/** One sentence on what a stop means for the money. */
export function describeStopped(facts: StopFacts): string {
  if (facts.taskId !== undefined)
    return 'only the waiting ended: generation and billing go on, and the clip can be saved later';
  if (facts.localId !== undefined)
    return 'the request may have been submitted, and then generation and billing go on';
  return 'nothing was submitted';
}

function formatDetail(detail: string): string[] {
  const [first = '', ...more] = sanitizeServerText(detail, {
    multiline: true,
    maxLength: MESSAGE_LENGTH,
  }).split('\n');
  return [`  - ${first}`, ...more.map((line) => `  | ${line}`)];
}

function formatIds({ taskId, localId }: StopFacts): string | undefined {
  if (taskId === undefined && localId === undefined) return undefined;
  if (taskId === undefined) return `  request: ${sanitizeServerText(localId ?? '')}`;
  return `  task: ${sanitizeServerText(taskId)}`;
}

function formatAnswer(error: EvolinkError): string | undefined {
  const { httpStatus, serviceCode, requestId } = error.facts;
  const parts = [
    httpStatus === undefined ? undefined : `HTTP ${httpStatus}`,
    serviceCode === undefined ? undefined : `code ${sanitizeServerText(serviceCode)}`,
    requestId === undefined ? undefined : `request id ${sanitizeServerText(requestId)}`,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : `  answer: ${parts.join(', ')}`;
}

function formatResume(resume: readonly string[] | undefined, theme: Theme): string | undefined {
  if (resume === undefined || resume.length === 0) return undefined;
  return `${theme.accent('continue with:')} ${theme.bold(toHumanPath(quoteCommand(resume)))}`;
}

function asItIs(line: string): string {
  return line;
}

function toLines(lines: readonly (string | undefined)[]): string {
  return lines
    .filter((line) => line !== undefined)
    .map((line) => `${line}\n`)
    .join('');
}
