import type { TaskEvent, TaskResult } from '../generate/events.ts';
import { type EventLine, formatEvent } from './format-event.ts';
import { createRepeatGate } from './repeat-gate.ts';
import type { ReporterContext } from './reporter-context.ts';

export interface LinePrinter {
  /** Prints what one event is worth at this verbosity: a line or nothing. */
  printEvent(event: TaskEvent): void;
  /** Prints the warnings of a result that no event brought before. */
  printWarnings(result: TaskResult): void;
  printLine(label: string, text: string): void;
}

export interface LinePrinterOptions {
  /** Gets whole lines. */
  readonly write: (text: string) => void;
  /** Breaks long lines at spaces; absent where a line must stay one. */
  readonly wrap?: ((line: string) => string) | undefined;
}

/** Turns events into lines of `label: text`, dropping repeated trouble. */
export function createLinePrinter(
  context: ReporterContext,
  { write, wrap = (line) => line }: LinePrinterOptions,
): LinePrinter {
  const { theme, verbosity, clock } = context;
  const passesGate = createRepeatGate(() => clock.monotonicMs());
  const shownWarnings = new Set<string>();

  function isDue(line: EventLine): boolean {
    if (verbosity === 'quiet') return false;
    if (verbosity === 'verbose') return true;
    return line.isDetail !== true && (line.repeatKey === undefined || passesGate(line.repeatKey));
  }

  function printEventLine(line: EventLine): void {
    if (!isDue(line)) return;
    const paint = line.tone === 'warning' ? theme.warning : theme.dim;
    const label = `${line.label}:`;
    const wrapped = wrap(`${label} ${line.text}`);
    // Coloured after measuring.
    write(`${paint(label)}${wrapped.slice(label.length)}\n`);
  }

  function printWarning(message: string): void {
    if (shownWarnings.has(message)) return;
    shownWarnings.add(message);
    const line = formatEvent({ kind: 'warning', code: '', message });
    if (line !== undefined) printEventLine(line);
  }

  return {
    printEvent(event) {
      if (event.kind === 'warning') return printWarning(event.message);
      const line = formatEvent(event);
      if (line !== undefined) printEventLine(line);
    },
    printWarnings: (result) => result.warnings.forEach(printWarning),
    printLine: (label, text) => printEventLine({ label, text, tone: 'info' }),
  };
}
