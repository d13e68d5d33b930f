import * as z from 'zod/mini';
import type { ApiClient } from '../api/client.ts';
import type { LinkClient } from '../api/links.ts';
import type { DownloadLimits } from '../download/fetch.ts';
import type { LocalMedia } from '../media/upload.ts';
import type { Clock } from '../platform/clock.ts';
import type { OutputStream } from '../platform/io.ts';
import { all } from '../platform/text.ts';
import type { Journal } from './journal.ts';

const str = z.string();
const num = z.number();
const text = z.nullable(str);
const number = z.nullable(num);
const time = z.nullable(z.iso.datetime());

export const mediaSchema = z.object({
  duration_seconds: num,
  ...all(number, 'width_px', 'height_px'),
  has_audio: z.boolean(),
});

/** What one generation came to: the document of `--json`, and in part what reports and sidecars say of it. */
export const TASK_RESULT = {
  ...all(text, 'local_id', 'task_id'),
  state: str,
  ...all(text, 'operation', 'model', 'path'),
  size_bytes: number,
  sha256: text,
  media: z.nullable(mediaSchema),
  credits: z.object(all(number, 'estimated', 'reserved', 'used')),
  link_expires_at: time,
  warnings: z.array(str),
};

const upload = { name: str, path: str };

/** What happens to one task, in the order in which it happens: the lines of `--events`, by kind. Null is unknown. */
export const TASK_EVENTS = {
  /** Something the person should know; never stops the work. */
  warning: all(str, 'code', 'message'),
  planned: {
    ...all(str, 'operation', 'model', 'price_list_date'),
    ...all(number, 'duration_seconds', 'estimated_credits', 'estimated_usd'),
    ...all(text, 'quality', 'aspect_ratio'),
  },
  /** An entry of a media list, as the prompt calls it (`image 1`); the facts are `1600×1200`, where it was looked at. */
  media: { ...all(str, 'name', 'label'), ...all(text, 'role', 'facts'), local: z.boolean() },
  /** Again after each failed try. */
  'upload-started': { ...upload, total_bytes: num },
  'upload-bytes': { ...upload, ...all(num, 'sent_bytes', 'total_bytes') },
  'upload-retry': { ...upload, reason: str, delay_ms: num },
  /** Reused: the service has it from an earlier upload of the same content. */
  uploaded: { ...upload, url: str, expires_at: z.iso.datetime(), reused: z.boolean() },
  /** An open record is continued: nothing is sent. */
  attached: { ...all(str, 'local_id', 'state'), task_id: text },
  submitting: { local_id: str },
  'submit-retry': { reason: str, delay_ms: num },
  accepted: {
    ...all(str, 'local_id', 'task_id'),
    ...all(number, 'reserved_credits', 'estimated_credits', 'estimated_seconds'),
  },
  /** Each reading of the task; the status is the service's word. */
  progress: {
    ...all(str, 'task_id', 'status'),
    elapsed_ms: num,
    ...all(number, 'progress_percent', 'remaining_ms'),
  },
  /** A read that failed and will be repeated. */
  'poll-trouble': { ...all(str, 'task_id', 'reason'), retry_in_ms: num },
  completed: { task_id: str, elapsed_ms: num, used_credits: number, link_expires_at: time },
  'download-started': { task_id: str, total_bytes: number, resumed_from_bytes: num },
  bytes: { task_id: str, received_bytes: num, total_bytes: number },
  'download-retry': { ...all(str, 'task_id', 'reason'), delay_ms: num },
  'download-restarted': all(str, 'task_id', 'reason'),
  /** Without a path the video went to stdout. */
  saved: {
    ...all(str, 'task_id', 'sha256'),
    path: text,
    size_bytes: num,
    media: z.nullable(mediaSchema),
    credits: number,
    link_expires_at: time,
    skipped: z.boolean(),
  },
};

type Camel<K extends string> = K extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : K;
type KeyInMemory<K extends string, V> = K extends `${infer Name}_at`
  ? `${Camel<Name>}AtMs`
  : V extends boolean
    ? `is${Capitalize<Camel<K>>}`
    : Camel<K>;
type ValueInMemory<K extends string, V> = K extends `${string}_at`
  ? number
  : V extends readonly (infer Item)[]
    ? readonly Item[]
    : V;
/** Keys of what may be absent: null, or false. */
type Absent<D> = {
  [K in keyof D]: null extends D[K] ? K : D[K] extends boolean ? K : never;
}[keyof D];
/** A part of a document as it is in memory: `task_id` is `taskId`, `created_at` is `createdAtMs`, `local` is `isLocal`. */
export type InMemory<D> = {
  readonly [K in Exclude<keyof D, Absent<D>> & string as KeyInMemory<K, D[K]>]: ValueInMemory<K, D[K]>;
} & {
  readonly [K in Absent<D> & string as KeyInMemory<K, NonNullable<D[K]>>]?:
    | ValueInMemory<K, NonNullable<D[K]>>
    | undefined;
};

type Events = typeof TASK_EVENTS;
/** What only people are told. */
interface PlanNotes {
  /** Where the estimate comes from (`list prices of 2026-10-10`), or why there is none. */
  readonly costOrigin?: string | undefined;
  /** Settings of a project file that cost more or call somebody: `quality 4k`. */
  readonly fromProject?: readonly string[] | undefined;
}
export type TaskEvent = {
  [K in keyof Events]: { readonly kind: K } & InMemory<z.output<z.ZodMiniObject<Events[K]>>> &
    (K extends 'planned' ? PlanNotes : unknown);
}[keyof Events];

export type EmitEvent = (event: TaskEvent) => void;

/** The document, and what leads on from it. */
export interface TaskResult extends Omit<z.output<z.ZodMiniObject<typeof TASK_RESULT>>, 'state'> {
  readonly state: 'saved' | 'pending' | 'skipped';
  /** Every file of the task, the first included; more than one only where the service made several clips. */
  readonly paths: readonly string[];
  /** The command that goes on from here, as an argument array. */
  readonly next?: readonly string[] | undefined;
}

/** What every use case of this folder is given. Nothing here knows a terminal. */
export interface GenerateDependencies {
  readonly api: ApiClient;
  /** As in records; absent where nobody minds. */
  readonly keyHash?: string | undefined;
  /** Which service that is, as `serviceOf`; absent for EvoLink's own, and in the sandbox. */
  readonly service?: string | undefined;
  readonly links: LinkClient;
  /** Uploads local media; gives the URL of each path. @throws EvolinkError; then nothing was submitted */
  readonly upload: (
    local: readonly LocalMedia[],
    options: { readonly emit: EmitEvent; readonly signal: AbortSignal },
  ) => Promise<ReadonlyMap<string, string>>;
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
