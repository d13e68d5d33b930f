import type { Charged, ErrorKind, EvolinkError } from '../errors.ts';

/** What is known when an error does not say it itself. The rest depends on how far the request came. */
const CHARGED_BY_KIND: Partial<Record<ErrorKind, Charged>> = {
  usage: 'no',
  auth: 'no',
  credits: 'no',
  locked: 'no',
  pending: 'yes',
  download: 'yes',
  expired: 'yes',
  unknown: 'unknown',
};

interface ChargedFacts {
  readonly kind?: ErrorKind | undefined;
  readonly charged?: Charged | undefined;
  readonly taskId?: string | undefined;
  readonly localId?: string | undefined;
}

/** Whether an ending cost something: its own word, else what its kind says, else how far the request came. */
export function resolveCharged(facts: ChargedFacts): Charged {
  if (facts.charged !== undefined) return facts.charged;
  const byKind = facts.kind === undefined ? undefined : CHARGED_BY_KIND[facts.kind];
  if (byKind !== undefined) return byKind;
  // The service decides whether a failed task is given back.
  if (facts.taskId !== undefined) return facts.kind === 'task-failed' ? 'unknown' : 'yes';
  return facts.localId === undefined || facts.kind === 'task-failed' ? 'no' : 'unknown';
}

/** The same in words for people; absent where money was never in question. */
export function describeCharged(error: EvolinkError): string | undefined {
  const { charged, taskId, localId } = error.facts;
  const isPlainMistake = ['usage', 'auth', 'locked', 'internal', 'local-io', 'partial'].includes(error.kind);
  if (charged === undefined && taskId === undefined && localId === undefined && isPlainMistake)
    return undefined;
  switch (resolveCharged({ kind: error.kind, ...error.facts })) {
    case 'no':
      return 'nothing was charged';
    case 'yes':
      return error.kind === 'expired'
        ? 'this task was charged'
        : 'this task is charged once; continuing it costs nothing more';
    case 'unknown':
      return error.kind === 'task-failed'
        ? 'the service normally gives the credits of a failed task back; `evolink credits` shows it'
        : 'it is not known whether this was charged';
  }
}
