import type { GenerationRequest } from '../request/types.ts';

/** What clips of 4 s in 480p were seen to take, by tier. */
const BASE_SECONDS: Readonly<Record<string, number>> = { mini: 109, fast: 113, standard: 156 };
const UNKNOWN_SECONDS = 180;

/** About how long the service needs for a request: for shares and expected ends, not for promises. */
export function expectedSeconds({ tier, durationSeconds }: GenerationRequest): number {
  const base = tier === undefined ? UNKNOWN_SECONDS : (BASE_SECONDS[tier] ?? UNKNOWN_SECONDS);
  return base * (1 + 0.01 * (durationSeconds - 4));
}
