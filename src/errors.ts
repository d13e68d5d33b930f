/** How an outcome is charged: `unknown` where only the service can tell. */
export type Charged = 'no' | 'yes' | 'unknown';

interface ExitCode {
  readonly exit: number;
  readonly meaning: string;
  readonly charged: string;
  readonly again: string;
  readonly retryable: boolean;
}

/** The exit-code contract, append-only. Help, README and `--json` read this table. */
export const EXIT_CODES = {
  ok: { exit: 0, meaning: 'done, file verified', charged: 'yes', again: 'nothing to do', retryable: false },
  internal: { exit: 1, meaning: 'a bug in evolink', charged: 'see JSON', again: 'no', retryable: false },
  usage: {
    exit: 2,
    meaning: 'flags, config, job file, media or a field that the rules or the API refuse',
    charged: 'no',
    again: 'after a fix',
    retryable: false,
  },
  auth: {
    exit: 3,
    meaning: 'no key, bad key, no access',
    charged: 'no',
    again: 'after a fix',
    retryable: false,
  },
  credits: {
    exit: 4,
    meaning: 'balance or key limit too low, or above --max-credits',
    charged: 'no',
    again: 'after top-up',
    retryable: false,
  },
  'task-failed': {
    exit: 5,
    meaning: 'the service refused the content or ended the task as failed or cancelled',
    charged: "service's rule",
    again: 'with changes',
    retryable: false,
  },
  network: {
    exit: 6,
    meaning: 'trouble outlasted the retries; nothing was submitted, or the task is safe',
    charged: 'no / known id',
    again: 'yes',
    retryable: true,
  },
  pending: {
    exit: 7,
    meaning: 'the deadline came, the task still runs',
    charged: 'yes',
    again: 'yes, continues',
    retryable: true,
  },
  unknown: {
    exit: 8,
    meaning: 'the submission may or may not have been taken',
    charged: 'maybe',
    again: 'evolink resume',
    retryable: false,
  },
  download: {
    exit: 9,
    meaning: 'the task is fine, the file is not whole',
    charged: 'yes',
    again: 'yes, download only',
    retryable: true,
  },
  expired: { exit: 10, meaning: 'link and result are gone', charged: 'yes', again: 'no', retryable: false },
  'local-io': {
    exit: 11,
    meaning: 'disk full, permission, output exists, state folder not writable',
    charged: 'see JSON',
    again: 'after a fix',
    retryable: false,
  },
  locked: {
    exit: 12,
    meaning: 'another process works on this task',
    charged: 'no',
    again: 'yes',
    retryable: true,
  },
  partial: {
    exit: 14,
    meaning: 'a run in which some jobs did not succeed',
    charged: 'mixed',
    again: 'yes, only those',
    retryable: true,
  },
} as const satisfies Record<string, ExitCode>;

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
}

/** Says whether a value is an `EvolinkError`. */
export function isEvolinkError(value: unknown): value is EvolinkError {
  return value instanceof EvolinkError;
}

/** The work was stopped by a signal of the process. Carries what the last words must name. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
  readonly signal: StopSignal;

  constructor(signal: StopSignal) {
    super(`stopped by ${signal}`);
    this.signal = signal;
  }
}
