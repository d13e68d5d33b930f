import type { MediaEvent } from './media-events.ts';
import { createSpeedMeter } from './speed-meter.ts';

/** Adds up the uploads that run at the same time. */
export interface UploadMeter {
  next(event: MediaEvent): void;
  /** False once everything that was started has arrived. */
  isBusy(): boolean;
  view(): {
    readonly receivedBytes: number;
    readonly totalBytes: number;
    readonly bytesPerSecond: number | undefined;
  };
}

/** @param monotonicMs for the speed */
export function createUploadMeter(monotonicMs: () => number): UploadMeter {
  const running = new Map<string, { sentBytes: number; totalBytes: number }>();
  const done = new Set<string>();
  const meter = createSpeedMeter();
  const sum = (pick: (each: { sentBytes: number; totalBytes: number }) => number) =>
    [...running.values()].reduce((total, each) => total + pick(each), 0);
  return {
    next(event) {
      if (event.kind === 'upload-started')
        running.set(event.path, { sentBytes: 0, totalBytes: event.totalBytes });
      else if (event.kind === 'upload-bytes') running.set(event.path, event);
      else if (event.kind === 'uploaded') done.add(event.path);
      meter.add(
        sum(({ sentBytes }) => sentBytes),
        monotonicMs(),
      );
    },
    isBusy: () => [...running.keys()].some((path) => !done.has(path)),
    view: () => ({
      receivedBytes: sum(({ sentBytes }) => sentBytes),
      totalBytes: sum(({ totalBytes }) => totalBytes),
      bytesPerSecond: meter.bytesPerSecond(monotonicMs()),
    }),
  };
}
