import type { TaskEvent } from '../generate/events.ts';
import { sanitizeServerText } from '../platform/server-text.ts';
import { formatBytes, formatCredits, formatDuration, formatSeconds } from './format.ts';
import { formatCreditsSpent } from './format-credits-spent.ts';
import { formatMediaEvent, isMediaEvent } from './media-events.ts';

/** One line for people: printed as `label: text`. */
export interface EventLine {
  readonly label: string;
  readonly text: string;
  readonly tone: 'info' | 'warning';
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
      return { label: 'warning', text: sanitizeServerText(event.message), tone: 'warning' };
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
  return [...settings.map((part) => sanitizeServerText(part)), cost].join(', ');
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
