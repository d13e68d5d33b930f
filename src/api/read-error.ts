import { type ErrorFacts, type ErrorKind, EvolinkError } from '../errors.ts';

/** A failed read of the service, with what a retry decision needs. */
export class ApiReadError extends EvolinkError {
  readonly isTransient: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(
    kind: ErrorKind,
    message: string,
    options: { facts?: ErrorFacts; isTransient: boolean; retryAfterMs?: number | undefined },
  ) {
    super(kind, message, options.facts);
    this.isTransient = options.isTransient;
    this.retryAfterMs = options.retryAfterMs;
  }
}
