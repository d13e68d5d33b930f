/** What the service answered to a submission. */
export type SubmitSignal = 'accepted' | 'throttled';

export interface LimitState {
  /** Tasks at the same time; a fraction is progress towards the next whole one. */
  readonly limit: number;
  /** Submissions since the last cut. */
  readonly sinceCut: number;
}

/** The state at the start of a run. */
export function initialLimit(max: number): LimitState {
  return { limit: max, sinceCut: Number.POSITIVE_INFINITY };
}

/**
 * How many tasks may run after one more answer: additive increase, multiplicative decrease (as TCP, RFC 5681 §3.1). Halved
 * when the service says that it is too much, once for a burst of such answers; one more for as many accepted tasks as
 * run. Never below 1 or above `max`. Pure.
 */
export function nextLimit(state: LimitState, signal: SubmitSignal, max: number): LimitState {
  if (signal === 'accepted') {
    return { limit: Math.min(max, state.limit + 1 / state.limit), sinceCut: state.sinceCut + 1 };
  }
  // Refusals that come before anything was accepted belong to the cut that was made already.
  if (state.sinceCut < 1) return state;
  return { limit: Math.max(1, Math.floor(state.limit / 2)), sinceCut: 0 };
}
