/** Credits of a run: what is promised before a request is sent, and what the service said that it took. */
export interface Budget {
  /** Promises the credits of a job, or says that they would pass the limit. A price that is not known can't be promised. */
  tryReserve(name: string, credits: number | undefined): boolean;
  /** What the service has reserved takes the place of the promise. */
  settle(name: string, credits: number | undefined): void;
  /** The request was not taken: the promise is void. */
  release(name: string): void;
  /** Promised and taken. */
  committed(): number;
}

/** Sums of floating-point credits: differences below this are noise. */
const NOISE = 1e-6;

/** A budget of so many credits; without a limit it only counts. */
export function createBudget(limit: number | undefined): Budget {
  const promised = new Map<string, number>();
  let taken = 0;
  const committed = (): number => [...promised.values()].reduce((sum, credits) => sum + credits, taken);
  return {
    committed,
    tryReserve(name, credits) {
      if (limit !== undefined && (credits === undefined || committed() + credits > limit + NOISE))
        return false;
      promised.set(name, credits ?? 0);
      return true;
    },
    settle(name, credits) {
      const promise = promised.get(name);
      promised.delete(name);
      taken += credits ?? promise ?? 0;
    },
    release: (name) => void promised.delete(name),
  };
}
