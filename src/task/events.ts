import type { ApiClient } from '../api/answers.ts';
import type { DownloadEvent, DownloadLimits, LinkClient, MediaFacts } from '../config/output-pattern.ts';
import type { Clock } from '../platform/clock.ts';
import type { OutputStream } from '../platform/io.ts';
import type { Operation } from '../request/models.ts';
import type { Journal } from './journal.ts';

/** What happens to one task, in the order in which it happens. Reporters turn these into text; nothing else does. */
export type TaskEvent =
  /** Something the person should know; never stops the work. */
  | { readonly kind: 'warning'; readonly code: string; readonly message: string }
  | {
      readonly kind: 'planned';
      readonly operation: Operation;
      readonly model: string;
      /** Absent, as the next two, where it is left to the model. */
      readonly durationSeconds?: number | undefined;
      readonly quality?: string | undefined;
      readonly aspectRatio?: string | undefined;
      /** Absent = unknown, never 0. */
      readonly estimatedCredits?: number | undefined;
      /** Why the cost is not known. */
      readonly costReason?: string | undefined;
      /** Date of the price list, `2026-10-10`. */
      readonly priceListDate: string;
      /** Settings of a project file that cost more or call somebody: `quality 4k`. */
      readonly fromProject?: readonly string[] | undefined;
    }
  /** One entry of a media list, and what the prompt calls it: `image 1`. */
  | {
      readonly kind: 'media';
      readonly name: string;
      /** `first frame`, where the place in the list means something. */
      readonly role?: string | undefined;
      /** File name, or URL. */
      readonly label: string;
      /** `1600×1200`, `5 s`; absent where it was not looked at. */
      readonly facts?: string | undefined;
      readonly isLocal: boolean;
    }
  /** A local file is sent to the service; again after each failed try. */
  | {
      readonly kind: 'upload-started';
      readonly name: string;
      readonly path: string;
      readonly totalBytes: number;
    }
  | {
      readonly kind: 'upload-bytes';
      readonly name: string;
      readonly path: string;
      readonly sentBytes: number;
      readonly totalBytes: number;
    }
  | {
      readonly kind: 'upload-retry';
      readonly name: string;
      readonly path: string;
      readonly reason: string;
      readonly delayMs: number;
    }
  | {
      readonly kind: 'uploaded';
      readonly name: string;
      readonly path: string;
      readonly url: string;
      readonly expiresAtMs: number;
      /** The service has it already, from an earlier upload of the same content. */
      readonly isReused: boolean;
    }
  /** A record that was open already is continued: nothing is sent. */
  | {
      readonly kind: 'attached';
      readonly localId: string;
      readonly taskId?: string | undefined;
      readonly state: string;
    }
  | { readonly kind: 'submitting'; readonly localId: string }
  | { readonly kind: 'submit-retry'; readonly reason: string; readonly delayMs: number }
  | {
      readonly kind: 'accepted';
      readonly localId: string;
      readonly taskId: string;
      readonly reservedCredits?: number | undefined;
      readonly estimatedCredits?: number | undefined;
      readonly estimatedSeconds?: number | undefined;
    }
  /** Each reading of the task. `status` is the service's word. */
  | {
      readonly kind: 'progress';
      readonly taskId: string;
      readonly status: string;
      readonly progressPercent?: number | undefined;
      readonly elapsedMs: number;
      /** Expected time to the end, absent when nothing is known. */
      readonly remainingMs?: number | undefined;
    }
  /** A read that failed and will be repeated. */
  | {
      readonly kind: 'poll-trouble';
      readonly taskId: string;
      readonly reason: string;
      readonly retryInMs: number;
    }
  | {
      readonly kind: 'completed';
      readonly taskId: string;
      readonly elapsedMs: number;
      readonly usedCredits?: number | undefined;
      readonly linkExpiresAtMs?: number | undefined;
    }
  | DownloadEvent
  | {
      readonly kind: 'saved';
      readonly taskId: string;
      /** Absent when the video went to stdout. */
      readonly path?: string | undefined;
      readonly sizeBytes: number;
      readonly sha256: string;
      readonly media?: MediaFacts | undefined;
      readonly credits?: number | undefined;
      readonly linkExpiresAtMs?: number | undefined;
      readonly isSkipped?: boolean | undefined;
    };

export type EmitEvent = (event: TaskEvent) => void;

/** What one generation came to. The shape behind `--json`. */
export interface TaskResult {
  /** Absent where nothing was recorded, as nothing had to be done. */
  readonly localId?: string | undefined;
  readonly taskId?: string | undefined;
  readonly state: 'saved' | 'pending' | 'skipped';
  /** The command that goes on from here, as an argument array. */
  readonly next?: readonly string[] | undefined;
  readonly operation?: Operation | undefined;
  readonly model?: string | undefined;
  readonly path?: string | undefined;
  /** Every file of the task, the first included; more than one only where the service made several clips. */
  readonly paths?: readonly string[] | undefined;
  readonly sizeBytes?: number | undefined;
  readonly sha256?: string | undefined;
  readonly media?: MediaFacts | undefined;
  readonly estimatedCredits?: number | undefined;
  readonly reservedCredits?: number | undefined;
  readonly usedCredits?: number | undefined;
  readonly linkExpiresAtMs?: number | undefined;
  readonly warnings: readonly string[];
}

/** What every use case of this folder is given. Nothing here knows a terminal. */
export interface GenerateDependencies {
  readonly api: ApiClient;
  /** Which service that is, as `serviceOf`; absent for EvoLink's own, and in the sandbox. */
  readonly service?: string | undefined;
  readonly links: LinkClient;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly emit: EmitEvent;
  /** For `-o -`: the video goes here. */
  readonly stdout: OutputStream;
  readonly limits: DownloadLimits;
  /** How long the paid POST may take to be answered: the window in which a lost task can have been made. */
  readonly submitWindowMs: number;
  /** Where several requests are sent by one run: waits until this one may go, and returns what ends its turn. */
  readonly takeSubmitTurn?: ((signal: AbortSignal) => Promise<() => void>) | undefined;
  /** How long a second process waits for the first one's lock. */
  readonly lockWaitMs: number;
  /** Where an emergency record goes when the state folder fails after the service has accepted the task. */
  readonly workingFolder: string;
  readonly toolVersion: string;
  /** Removes what killed processes have left in the folder of a clip. */
  readonly tidyFolder?: ((folder: string) => Promise<void>) | undefined;
}
