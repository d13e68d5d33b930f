/** Runs work of one key one after the other, in the order of asking; what the earlier came to does not matter. */
export type KeyedTurns = <T>(key: string, work: () => Promise<T>) => Promise<T>;

/** Turns within this process, where a lock between processes would refuse the second. */
export function createKeyedTurns(): KeyedTurns {
  const last = new Map<string, Promise<unknown>>();
  return async (key, work) => {
    const before = last.get(key);
    const mine = (async () => {
      await before;
      return work();
    })();
    const ended = mine.catch(() => undefined);
    last.set(key, ended);
    try {
      return await mine;
    } finally {
      if (last.get(key) === ended) last.delete(key);
    }
  };
}
