/** Lets timers, sockets and signals have their turn in the middle of long computation. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
