/** How an outcome is charged: `unknown` where only the service can tell. */
export type Charged = 'no' | 'yes' | 'unknown';

function row<const Exit extends number>(
  exit: Exit,
  meaning: string,
  charged: string,
  again: string,
  retryable = false,
) {
  return { exit, meaning, charged, again, retryable };
}

/** The exit-code contract, append-only. Help, README and `--json` read this table. */
export const EXIT_CODES = {
  ok: row(0, 'done, file verified', 'yes', 'nothing to do'),
  internal: row(1, 'a bug in evolink', 'see JSON', 'no'),
  usage: row(2, 'bad flag, config, job file, media or request field', 'no', 'after a fix'),
  auth: row(3, 'no key, bad key, no access', 'no', 'after a fix'),
  credits: row(4, 'balance or key limit too low, or above --max-credits', 'no', 'after top-up'),
  'task-failed': row(
    5,
    'the service rejected the content or ended the task as failed or cancelled',
    'up to the service',
    'with changes',
  ),
  network: row(
    6,
    'retries exhausted; nothing was submitted, or the task is safe',
    'no / known id',
    'yes',
    true,
  ),
  pending: row(7, 'timed out; the task is still running', 'yes', 'yes, continues', true),
  unknown: row(8, 'the service may or may not have accepted the request', 'maybe', 'evolink resume'),
  download: row(9, 'the task is fine, the file is incomplete', 'yes', 'yes, download only', true),
  expired: row(10, 'link and result are gone', 'yes', 'no'),
  'local-io': row(
    11,
    'disk full, permission, output exists, state folder not writable',
    'see JSON',
    'after a fix',
  ),
  locked: row(12, 'another process works on this task', 'no', 'yes', true),
  partial: row(14, 'some of several jobs, takes (--count) or tasks failed', 'mixed', 'yes, only those', true),
} as const;

type ExitName = keyof typeof EXIT_CODES;
export type ErrorKind = Exclude<ExitName, 'ok'>;

/** The exits of a process that ended by a signal: the signal itself is raised again, the shell adds 128. */
export const SIGNAL_EXITS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
export type StopSignal = keyof typeof SIGNAL_EXITS;

export interface ErrorFacts {
  /** What to do next, best as an exact command. */
  readonly hint?: string | undefined;
  /** One line a problem, printed below the message. */
  readonly details?: readonly string[] | undefined;
  readonly charged?: Charged | undefined;
  /** Overrides what the exit-code table says. */
  readonly retryable?: boolean | undefined;
  readonly taskId?: string | undefined;
  readonly localId?: string | undefined;
  readonly requestId?: string | undefined;
  readonly httpStatus?: number | undefined;
  /** The continuing command as an argument array, `evolink` first. */
  readonly resume?: readonly string[] | undefined;
  /** The service's own error code, sanitised. */
  readonly serviceCode?: string | undefined;
}

/**
 * The one error that users see. Plain data, safe to inspect and to print: whoever makes it passes redacted
 * text only, and never a library's error as `cause`.
 */
export class EvolinkError extends Error {
  override readonly name = 'EvolinkError';
  readonly kind: ErrorKind;
  readonly facts: ErrorFacts;

  constructor(kind: ErrorKind, message: string, facts: ErrorFacts = {}) {
    super(message);
    this.kind = kind;
    this.facts = facts;
  }

  get exit(): number {
    return EXIT_CODES[this.kind].exit;
  }

  get isRetryable(): boolean {
    return this.facts.retryable ?? EXIT_CODES[this.kind].retryable;
  }

  /** The same error with more facts; those already known win unless they are absent. */
  with(facts: ErrorFacts): EvolinkError {
    const known = Object.fromEntries(Object.entries(this.facts).filter(([, value]) => value !== undefined));
    const error = new EvolinkError(this.kind, this.message, { ...facts, ...known });
    if (this.stack !== undefined) error.stack = this.stack;
    return error;
  }

  /** The same error with these facts, whatever was known before. */
  insisting(facts: ErrorFacts, message = this.message): EvolinkError {
    return new EvolinkError(this.kind, message, { ...this.facts, ...facts });
  }
}

/** Says whether a value is an `EvolinkError`. */
export function isEvolinkError(value: unknown): value is EvolinkError {
  return value instanceof EvolinkError;
}

export const HINT_OF_BUGS = 'run it again with --debug and report what it prints';

/** A bug: of what was thrown, which may hold anything, only name and message are shown. */
export function bugError(error: unknown, facts: ErrorFacts = {}): EvolinkError {
  const text =
    error instanceof Error ? `${error.name}: ${error.message}` : 'something that is no error was thrown';
  return new EvolinkError('internal', `this is a bug in evolink (${text})`, { hint: HINT_OF_BUGS, ...facts });
}

/** The work was stopped by a signal of the process. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
  readonly signal: StopSignal;

  constructor(signal: StopSignal) {
    super(`stopped by ${signal}`);
    this.signal = signal;
  }
}

/** What a person gave, refused before anything is sent. */
export function inputError(message: string, hint: string): EvolinkError {
  return new EvolinkError('usage', message, { hint, charged: 'no' });
}
