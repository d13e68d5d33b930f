interface FakeClockOptions {
  /** Sleeps end at once and move the time by their length: for code that only waits. */
  readonly autoAdvance?: boolean;
  /** Answers of `random()`, repeated for ever. Default 0.5. */
  readonly randoms?: readonly number[];
}

/** A clock that moves only when the test says so. */
export function createFakeClock(options: FakeClockOptions = {}) {
  const randoms = options.randoms ?? [0.5];
  const timers = new Set<{ readonly dueMs: number; readonly action: () => void }>();
  const sleeps: number[] = [];
  let wallOffsetMs = Date.UTC(2026, 10, 21, 9, 15, 2);
  let elapsedMs = 0;
  let randomCount = 0;

  function after(delayMs: number, action: () => void): () => void {
    const timer = { dueMs: elapsedMs + Math.max(0, delayMs), action };
    timers.add(timer);
    return () => timers.delete(timer);
  }

  async function runDueUntil(targetMs: number): Promise<void> {
    for (;;) {
      const due = [...timers].filter((timer) => timer.dueMs <= targetMs).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (due === undefined) return;
      timers.delete(due);
      elapsedMs = Math.max(elapsedMs, due.dueMs);
      due.action();
      await settle();
    }
  }

  async function skip(durationMs: number): Promise<void> {
    const targetMs = elapsedMs + durationMs;
    await settle();
    await runDueUntil(targetMs);
    elapsedMs = Math.max(elapsedMs, targetMs);
  }

  return {
    /** Every sleep that was asked for, in ms, in order. */
    sleeps,
    now: () => wallOffsetMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    random: () => randoms[randomCount++ % randoms.length] ?? 0.5,
    after,
    sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
      sleeps.push(durationMs);
      if (signal?.aborted) return Promise.reject(signal.reason);
      if (options.autoAdvance) return skip(durationMs);
      return new Promise((resolve, reject) => {
        const cancel = after(durationMs, () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        });
        const abort = () => {
          cancel();
          reject(signal?.reason);
        };
        signal?.addEventListener('abort', abort, { once: true });
      });
    },
    /** Moves time, running each due timer at its own moment; lets pending promises and I/O settle in between. */
    async advance(durationMs: number) {
      await skip(durationMs);
      await settle();
    },
    /** Sets the wall clock without running timers (a clock that was set by hand); monotonic time stays. */
    setNow(nowMs: number) {
      wallOffsetMs = nowMs - elapsedMs;
    },
    /** Timers and sleeps that wait for `advance`. */
    pendingCount: () => timers.size,
  };
}

/** A few turns of the event loop, so that what a timer has started can go on to its next wait. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
