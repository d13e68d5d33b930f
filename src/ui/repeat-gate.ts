const REPEAT_AFTER_MS = 30_000;

/** Lets a line through when it differs from the one before or half a minute has passed, so that trouble does not flood. */
export function createRepeatGate(monotonicMs: () => number): (line: string) => boolean {
  let last: { line: string; atMs: number } | undefined;
  return (line) => {
    const atMs = monotonicMs();
    if (last !== undefined && last.line === line && atMs - last.atMs < REPEAT_AFTER_MS) return false;
    last = { line, atMs };
    return true;
  };
}
