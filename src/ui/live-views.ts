import type { TaskEvent } from '../generate/events.ts';
import type { Clock } from '../platform/clock.ts';
import { sanitizeServerText } from '../platform/server-text.ts';
import { formatWaitTimes, type WaitView } from './format-progress.ts';
import type { LiveView } from './live-display.ts';
import { formatBytesLine, formatWaitLine } from './live-line.ts';
import { isMediaEvent, type MediaEvent } from './media-events.ts';
import { createSpeedMeter, type SpeedMeter } from './speed-meter.ts';
import type { Theme } from './theme.ts';
import { createUploadMeter } from './upload-meter.ts';

type EventOf<K extends TaskEvent['kind']> = Extract<TaskEvent, { kind: K }>;

interface Download {
  readonly count: number;
  readonly receivedBytes: number;
  readonly totalBytes?: number | undefined;
  readonly meter: SpeedMeter;
}

export interface LiveViews {
  /** What to draw after an event: another view, nothing at all, or the same as before. */
  next(event: TaskEvent): LiveView | 'none' | 'same';
}

/**
 * Which live line stands for which moment: a spinner while sending and queued, a bar once the service tells a share,
 * a bar of bytes while saving. Times go on by the clock between two readings of the task.
 */
export function createLiveViews(clock: Clock, theme: Theme): LiveViews {
  let wait: { view: WaitView; atMs: number } | undefined;
  let isShareKnown = false;
  let download: Download = { count: 0, receivedBytes: 0, meter: createSpeedMeter() };

  function currentWait(): WaitView {
    if (wait === undefined) return { status: '', elapsedMs: 0 };
    const sinceMs = clock.monotonicMs() - wait.atMs;
    const { view } = wait;
    const remainingMs = view.remainingMs === undefined ? undefined : view.remainingMs - sinceMs;
    return { ...view, elapsedMs: view.elapsedMs + sinceMs, remainingMs };
  }

  function startWait(view: WaitView): LiveView {
    wait = { view, atMs: clock.monotonicMs() };
    if (isShareKnown)
      return {
        kind: 'bar',
        id: 'wait',
        line: (columns) => formatWaitLine(currentWait(), { columns, theme }),
      };
    return {
      kind: 'spinner',
      label: () => sanitizeServerText(view.status),
      times: () => formatWaitTimes(currentWait()),
    };
  }

  function showProgress({ status, progressPercent, elapsedMs, remainingMs }: EventOf<'progress'>): LiveView {
    // "0 %" of a queued task says nothing; once there is a share, the bar stays.
    isShareKnown ||= (progressPercent ?? 0) > 0 || (progressPercent !== undefined && status !== 'pending');
    return startWait({
      status,
      progressPercent: progressPercent ?? wait?.view.progressPercent,
      elapsedMs,
      remainingMs,
    });
  }

  function startDownload({ resumedFromBytes, totalBytes }: EventOf<'download-started'>): LiveView {
    const meter = createSpeedMeter();
    meter.add(resumedFromBytes, clock.monotonicMs());
    download = { count: download.count + 1, receivedBytes: resumedFromBytes, totalBytes, meter };
    return showDownload();
  }

  function receive({ receivedBytes, totalBytes }: EventOf<'bytes'>): LiveView {
    download.meter.add(receivedBytes, clock.monotonicMs());
    download = { ...download, receivedBytes, totalBytes: totalBytes ?? download.totalBytes };
    return showDownload();
  }

  function showDownload(): LiveView {
    const line = (columns: number): string => {
      const bytesPerSecond = download.meter.bytesPerSecond(clock.monotonicMs());
      return formatBytesLine({ ...download, bytesPerSecond }, { columns, theme });
    };
    return { kind: 'bar', id: `download ${download.count}`, line };
  }

  const uploads = createUploadMeter(() => clock.monotonicMs());

  function showUploads(event: MediaEvent): LiveView | 'none' | 'same' {
    if (event.kind === 'media') return 'same';
    uploads.next(event);
    if (!uploads.isBusy()) return 'none';
    const line = (columns: number): string =>
      formatBytesLine({ ...uploads.view(), verb: 'uploading' }, { columns, theme });
    return { kind: 'bar', id: 'uploads', line };
  }

  return {
    next(event) {
      if (isMediaEvent(event)) return showUploads(event);
      switch (event.kind) {
        case 'submitting':
          return startWait({ status: 'submitting', elapsedMs: 0 });
        case 'attached':
          return startWait({ status: 'asking for the task', elapsedMs: 0 });
        case 'accepted': {
          const remainingMs =
            event.estimatedSeconds === undefined ? undefined : event.estimatedSeconds * 1000;
          return startWait({ status: 'accepted', elapsedMs: 0, remainingMs });
        }
        case 'progress':
          return showProgress(event);
        case 'download-started':
          return startDownload(event);
        case 'bytes':
          return receive(event);
        case 'completed':
        case 'saved':
          return 'none';
        default:
          return 'same';
      }
    },
  };
}
