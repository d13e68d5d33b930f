import type { SubmitOutcome } from '../api/types.ts';
import type { WireBody } from '../request/types.ts';
import type { GenerateDependencies } from './dependencies.ts';

/** How long the answer to a submission is still waited for once a signal has asked to stop. */
const STOP_GRACE_MS = 5_000;

/**
 * The paid call, once. A stop does not cut it at once, as its answer is what tells whether money was spent; nor is that
 * waited for without end.
 * @throws the signal's reason when no answer came in time: whether the request was taken is not known then
 */
export async function sendRequest(
  { api, clock, emit }: Pick<GenerateDependencies, 'api' | 'clock' | 'emit'>,
  { body, idempotencyKey }: { readonly body: WireBody; readonly idempotencyKey: string },
  signal: AbortSignal,
): Promise<SubmitOutcome> {
  const cut = new AbortController();
  let cancel = (): void => undefined;
  const onStop = (): void => {
    const message = `the request is under way: its answer is waited for, at most ${STOP_GRACE_MS / 1000} s`;
    emit({ kind: 'warning', code: 'stopping', message });
    cancel = clock.after(STOP_GRACE_MS, () => cut.abort(signal.reason));
  };
  signal.addEventListener('abort', onStop, { once: true });
  try {
    return withDoubt(await api.submit(body, { idempotencyKey, signal: cut.signal }));
  } finally {
    signal.removeEventListener('abort', onStop);
    cancel();
  }
}

/** A refusal that leaves open whether something was charged (a key that was seen before) refuses nothing. */
function withDoubt(outcome: SubmitOutcome): SubmitOutcome {
  if (outcome.kind !== 'rejected' || outcome.error.facts.charged !== 'unknown') return outcome;
  const { message, facts } = outcome.error;
  return { kind: 'unknown', reason: message, httpStatus: facts.httpStatus, requestId: facts.requestId };
}
