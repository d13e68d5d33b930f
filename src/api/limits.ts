import type { Clock } from '../platform/clock.ts';

/** Time limits by name. Setting one again starts it anew. */
export interface Limits {
  set(name: string, limitMs: number): void;
  clear(name: string): void;
  clearAll(): void;
}

/** Runs `onExpire` for each limit that was not cleared in time. After `clearAll` nothing can be set any more. */
export function createLimits(clock: Clock, onExpire: (name: string, limitMs: number) => void): Limits {
  const cancels = new Map<string, () => void>();
  let isClosed = false;
  const clear = (name: string) => {
    cancels.get(name)?.();
    cancels.delete(name);
  };
  return {
    set(name, limitMs) {
      clear(name);
      if (isClosed) return;
      cancels.set(
        name,
        clock.after(limitMs, () => onExpire(name, limitMs)),
      );
    },
    clear,
    clearAll() {
      isClosed = true;
      for (const name of [...cancels.keys()]) clear(name);
    },
  };
}
