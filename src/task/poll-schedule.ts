/** What is known when the next read of a task is planned. */
export interface PollFacts {
  /** Since the service accepted the task. */
  readonly elapsedMs: number;
  /** The service's `estimated_time`. */
  readonly estimatedMs?: number | undefined;
  /** 0 to 100, as last read. */
  readonly progressPercent?: number | undefined;
  /** How long the progress has been read as what it is now. */
  readonly unchangedMs?: number | undefined;
  /** True before the first read. */
  readonly isFirst: boolean;
  /** In [0, 1). */
  readonly random: number;
}

/** A guess of the whole duration: lognormal, with this median. */
interface Guess {
  readonly weight: number;
  readonly medianMs: number;
  /** Of the logarithm. */
  readonly spread: number;
}

type Known = Pick<PollFacts, 'elapsedMs' | 'estimatedMs' | 'progressPercent' | 'unchangedMs'>;

/** Without an estimate: between what clips of 4 s were seen to take (109 to 156 s). */
const DEFAULT_TOTAL_MS = 130_000;
/** What one read is worth in lateness. */
const READ_COST_MS = 190;
const MIN_DELAY_MS = 250;
const SMALLEST_SHARE = 1 / 200;
/** Steps in which the density is added up over the expected whole. */
const STEPS = 1_500;
const ROOT_OF_TWO_PI = Math.sqrt(2 * Math.PI);

/** Expected length of the whole generation, ms: the most likely of what is believed. */
export function expectedTotalMs(known: Known): number {
  const percent = known.progressPercent ?? 0;
  const extrapolatedMs = percent > 0 ? (known.elapsedMs * 100) / percent : 0;
  const estimatedMs = estimateOf(known);
  // The more is done, the more the progress is believed.
  return extrapolatedMs * (percent / 100) + estimatedMs * (1 - percent / 100);
}

function estimateOf({ estimatedMs }: Known): number {
  return hasEstimate(estimatedMs) ? estimatedMs : DEFAULT_TOTAL_MS;
}

function hasEstimate(estimatedMs: number | undefined): estimatedMs is number {
  return estimatedMs !== undefined && estimatedMs > 0;
}

/** When the end may come: around the estimate, with a wide tail for a wrong one, until progress says more. */
function believe(known: Known): readonly Guess[] {
  const { elapsedMs, progressPercent: percent = 0, unchangedMs = 0 } = known;
  const estimateMs = estimateOf(known);
  if (!(percent >= 1 && percent <= 100)) {
    const spread = hasEstimate(known.estimatedMs) ? 0.29 : 0.5;
    return [
      { weight: 0.65, medianMs: estimateMs, spread },
      { weight: 0.35, medianMs: estimateMs * 1.1, spread: 0.65 },
    ];
  }
  const left = 1 - percent / 100;
  // Whole percents are rounded down; many services move in steps of ten.
  const linearMs = (elapsedMs * 100) / (percent + 0.5);
  // Progress that stands still for longer than one percent takes says less and less.
  const isStill = unchangedMs * percent > 2 * elapsedMs;
  const linear = {
    medianMs: linearMs,
    spread: 0.006 + 0.1 / percent + (isStill ? unchangedMs / elapsedMs : 0),
  };
  const isRound = percent % 10 === 0 && percent < 100;
  return [
    { ...linear, weight: isRound ? 0.22 : 0.88 },
    { weight: isRound ? 0.66 : 0, medianMs: (elapsedMs * 100) / (percent + 5), spread: 3 / percent },
    // It waited in a queue first: what is left takes its share of the estimate.
    { weight: 0.06, medianMs: elapsedMs + left * estimateMs, spread: Math.max(0.01, 0.2 * left) },
    { weight: 0.06, medianMs: linearMs, spread: 0.03 + 0.5 * left },
  ];
}

/**
 * Delay before the next read, ms. A read costs the service, lateness costs the person: the schedule with the least of
 * `cost · reads + lateness` reads with density `√(hazard / (2 · cost))` (Barlow, Hunter and Proschan 1963; Keller 1974).
 * The next read is due where that density has added up to one. Never closer than 250 ms, or a 200th of the expected whole.
 */
export function nextPollDelayMs(facts: PollFacts): number {
  const { elapsedMs, random } = facts;
  const guesses = believe(facts);
  const totalMs = guesses.reduce((best, guess) => (guess.weight > best.weight ? guess : best)).medianMs;
  const stepMs = Math.max(MIN_DELAY_MS / 5, totalMs / STEPS);
  const limitMs = Math.max(totalMs, elapsedMs);
  let delayMs = 0;
  for (let reads = 0; reads < 1 && delayMs < limitMs; ) {
    delayMs += stepMs;
    reads += Math.sqrt(hazardAt(elapsedMs + delayMs, guesses) / (2 * READ_COST_MS)) * stepMs;
  }
  const closestMs = Math.max(MIN_DELAY_MS, totalMs * SMALLEST_SHARE);
  return Math.round(Math.max(closestMs, delayMs * (0.95 + random * 0.1)));
}

/** Probability a millisecond that a task which runs at `atMs` ends there. */
function hazardAt(atMs: number, guesses: readonly Guess[]): number {
  let density = 0;
  let survival = Number.MIN_VALUE;
  for (const { weight, medianMs, spread } of guesses) {
    const z = Math.log(atMs / medianMs) / spread;
    density += (weight * Math.exp((-z * z) / 2)) / (ROOT_OF_TWO_PI * spread * atMs);
    survival += weight * normalTail(z);
  }
  return density / survival;
}

/** The part of a normal distribution above z (Abramowitz and Stegun 26.2.17). */
function normalTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const series =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = (Math.exp((-z * z) / 2) / ROOT_OF_TWO_PI) * series;
  return z > 0 ? tail : 1 - tail;
}
