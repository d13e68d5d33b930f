import type { ApiClient } from '../api/types.ts';
import type { DownloadLimits, LinkClient } from '../download/types.ts';
import type { Journal } from '../journal/record.ts';
import type { Clock } from '../platform/clock.ts';
import type { OutputStream } from '../platform/io.ts';
import type { EmitEvent } from './events.ts';

/** What every use case of this folder is given. Nothing here knows a terminal. */
export interface GenerateDependencies {
  readonly api: ApiClient;
  /** Which service that is, as `serviceOf`; absent for EvoLink's own, and for a rehearsal. */
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
  /** Where an emergency record goes when the state folder fails after the service has taken the task. */
  readonly workingFolder: string;
  readonly toolVersion: string;
  /** Removes what killed processes have left in the folder of a clip. */
  readonly tidyFolder?: ((folder: string) => Promise<void>) | undefined;
}
