import { basename } from 'node:path';
import { sanitizeServerText } from '../platform/text.ts';
import type { TaskEvent, TaskResult } from '../task/events.ts';
import { formatBytes, formatCredits, formatCreditsSpent, formatDuration, formatSeconds } from './format.ts';
import { toIsoTime } from './json.ts';
import type { ReporterContext } from './reporter.ts';

const MEDIA_KINDS = ['media', 'upload-started', 'upload-bytes', 'upload-retry', 'uploaded'] as const;

/** What happens to reference media before a request is sent. */
export type MediaEvent = Extract<TaskEvent, { kind: (typeof MEDIA_KINDS)[number] }>;

/** Says whether an event is about reference media. */
export function isMediaEvent(event: TaskEvent): event is MediaEvent {
  return MEDIA_KINDS.some((kind) => kind === event.kind);
}

/** `image 1 = style.png, 1600×1200`; `uploaded: image 1 (style.png)`. The bytes are shown in other ways. */
export function formatMediaEvent(event: MediaEvent): EventLine | undefined {
  switch (event.kind) {
    case 'media':
      return { label: 'media', text: describeMedia(event), tone: 'info' };
    case 'upload-started':
      return { label: 'uploading', text: `${nameOf(event)}, ${formatBytes(event.totalBytes)}`, tone: 'info' };
    case 'upload-retry': {
      const what = `the upload of ${nameOf(event)} broke off (${sanitizeServerText(event.reason)})`;
      const delay = formatDuration(Math.ceil(event.delayMs / 1000) * 1000);
      return { label: 'retry', text: `${what}; next try in ${delay}`, tone: 'warning', repeatKey: what };
    }
    case 'uploaded': {
      const text = event.isReused
        ? `${nameOf(event)} is there already, from an earlier upload`
        : nameOf(event);
      return { label: 'uploaded', text, tone: 'info' };
    }
    case 'upload-bytes':
      return undefined;
  }
}

/** `image 1 (first frame) = style.png, 1600×1200`. */
export function describeMedia({
  name,
  role,
  label,
  facts,
}: Pick<Extract<MediaEvent, { kind: 'media' }>, 'name' | 'role' | 'label' | 'facts'>): string {
  const place = role === undefined ? name : `${name} (${role})`;
  const known = facts === undefined ? '' : `, ${facts}`;
  return `${place} = ${sanitizeServerText(label)}${known}`;
}

function nameOf({ name, path }: { readonly name: string; readonly path: string }): string {
  const file = sanitizeServerText(basename(path));
  // A file on its own is called by its path.
  return path.endsWith(name) ? sanitizeServerText(name) : `${name} (${file})`;
}

/** The fields of a line of the `--events` stream. */
export function toMediaFields(event: MediaEvent): Record<string, unknown> {
  switch (event.kind) {
    case 'media': {
      const { name, role, label, facts, isLocal } = event;
      return { name, role: role ?? null, label, facts: facts ?? null, local: isLocal };
    }
    case 'upload-started':
      return { name: event.name, path: event.path, total_bytes: event.totalBytes };
    case 'upload-bytes':
      return {
        name: event.name,
        path: event.path,
        sent_bytes: event.sentBytes,
        total_bytes: event.totalBytes,
      };
    case 'upload-retry':
      return { name: event.name, path: event.path, reason: event.reason, delay_ms: event.delayMs };
    case 'uploaded': {
      const { name, path, url, expiresAtMs, isReused } = event;
      return { name, path, url, expires_at: toIsoTime(expiresAtMs), reused: isReused };
    }
  }
}

/** One line for people: printed as `label: text`. */
export interface EventLine {
  readonly label: string;
  readonly text: string;
  readonly tone: 'info' | 'warning';
  /** Shown with `--quiet` too. */
  readonly isAlways?: boolean | undefined;
  /** Only with `--verbose`. */
  readonly isDetail?: boolean | undefined;
  /** Lines of one key in a row are the same trouble again. */
  readonly repeatKey?: string | undefined;
}

/** The events that are moments, as lines; `progress`, `bytes` and `saved` are shown in other ways. */
export function formatEvent(event: TaskEvent): EventLine | undefined {
  if (isMediaEvent(event)) return formatMediaEvent(event);
  switch (event.kind) {
    case 'warning':
      return {
        label: 'warning',
        text: sanitizeServerText(event.message),
        tone: 'warning',
        isAlways: event.code === 'trust',
      };
    case 'planned':
      return info('plan', describePlan(event));
    case 'attached':
      return info(
        'attached',
        `${sanitizeServerText(event.taskId ?? event.localId)} is open already (${event.state}); nothing is sent again`,
      );
    case 'submitting':
      return { ...info('submitting', `request ${event.localId}`), isDetail: true };
    case 'submit-retry':
      return retry(`not submitted yet (${sanitizeServerText(event.reason)})`, event.delayMs);
    case 'accepted':
      return info('accepted', describeAccepted(event));
    case 'poll-trouble':
      return retry(`reading the task failed (${sanitizeServerText(event.reason)})`, event.retryInMs);
    case 'completed':
      return info('completed', describeCompleted(event));
    case 'download-started':
      return info('downloading', describeDownload(event));
    case 'download-retry':
      return retry(`the download broke off (${sanitizeServerText(event.reason)})`, event.delayMs);
    case 'download-restarted':
      return {
        label: 'warning',
        text: `the download starts from the beginning (${sanitizeServerText(event.reason)})`,
        tone: 'warning',
      };
    case 'progress':
    case 'bytes':
    case 'saved':
      return undefined;
  }
}

type EventOf<K extends TaskEvent['kind']> = Extract<TaskEvent, { kind: K }>;

function describePlan(event: EventOf<'planned'>): string {
  const cost =
    event.estimatedCredits === undefined
      ? `cost unknown (${event.costReason ?? 'no list price'})`
      : `about ${formatCredits(event.estimatedCredits)} credits (list prices of ${event.priceListDate})`;
  const settings = [event.model, formatSeconds(event.durationSeconds), event.quality, event.aspectRatio];
  const project = event.fromProject ?? [];
  const origin = project.length === 0 ? '' : ` (from .evolinkrc: ${sanitizeServerText(project.join(', '))})`;
  return `${[...settings.map((part) => sanitizeServerText(part)), cost].join(', ')}${origin}`;
}

function describeAccepted(event: EventOf<'accepted'>): string {
  const credits = formatCreditsSpent(event);
  return credits === undefined
    ? sanitizeServerText(event.taskId)
    : `${sanitizeServerText(event.taskId)} (${credits})`;
}

function describeCompleted(event: EventOf<'completed'>): string {
  const credits = event.usedCredits === undefined ? '' : `, ${formatCredits(event.usedCredits)} credits used`;
  return `after ${formatDuration(event.elapsedMs)}${credits}`;
}

function describeDownload(event: EventOf<'download-started'>): string {
  const total = event.totalBytes === undefined ? 'unknown size' : formatBytes(event.totalBytes);
  return event.resumedFromBytes === 0
    ? total
    : `${total}, continuing at ${formatBytes(event.resumedFromBytes)}`;
}

function info(label: string, text: string): EventLine {
  return { label, text, tone: 'info' };
}

function retry(what: string, delayMs: number): EventLine {
  const text = `${what}; next try in ${formatDuration(Math.ceil(delayMs / 1000) * 1000)}`;
  return { label: 'retry', text, tone: 'warning', repeatKey: what };
}

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
    if (verbosity === 'quiet') return line.isAlways === true;
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

  function printWarning(message: string, code = ''): void {
    if (shownWarnings.has(message)) return;
    shownWarnings.add(message);
    const line = formatEvent({ kind: 'warning', code, message });
    if (line !== undefined) printEventLine(line);
  }

  return {
    printEvent(event) {
      if (event.kind === 'warning') return printWarning(event.message, event.code);
      const line = formatEvent(event);
      if (line !== undefined) printEventLine(line);
    },
    printWarnings(result) {
      for (const message of result.warnings) printWarning(message);
    },
    printLine: (label, text) => printEventLine({ label, text, tone: 'info' }),
  };
}
