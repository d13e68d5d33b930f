import { lstat } from 'node:fs/promises';
import * as z from 'zod/mini';
import type { NamedFile } from '../download/fetch.ts';
import { EvolinkError } from '../errors.ts';
import { replaceDurably } from '../platform/durable-file.ts';
import { FileRefusal, fsErrorCode, localIoError } from '../platform/fs-error.ts';
import { readSmallFile } from '../platform/read-file.ts';
import { all, toIsoTime } from '../platform/text.ts';
import { redactRequest } from '../request/public-url.ts';
import { type TaskRecord, taskFacts } from './record.ts';

const text = z.nullish(z.string());
const number = z.nullish(z.number());

/** The document beside a clip: what made it, what it cost, what it is. */
const SIDECAR = z.object({
  schema_version: z.nullish(z.literal(1)),
  /** By which `-f clip.mp4.json` knows it. */
  kind: z.literal('evolink.sidecar'),
  request: z.nullish(z.record(z.string(), z.unknown())),
  fingerprint: z.string(),
  /** The service is the sandbox's own where nothing was paid for; a clip of a job file is found again by its job's name. */
  ...all(text, 'operation', 'model', 'api_base_url', 'task_id', 'local_id', 'job', 'tool'),
  credits: z.nullish(z.object(all(number, 'estimated', 'reserved', 'used'))),
  times: z.nullish(z.object(all(text, 'created', 'sent', 'accepted', 'completed', 'saved'))),
  file: z.object({
    size_bytes: z.number(),
    sha256: z.string(),
    ...all(number, 'duration_seconds', 'width_px', 'height_px'),
    has_audio: z.nullish(z.boolean()),
  }),
});
export type Sidecar = z.infer<typeof SIDECAR>;

/** More than any sidecar has. */
const MAX_SIDECAR_BYTES = 1_000_000;

const UNKNOWN_MEDIA = { duration_seconds: null, width_px: null, height_px: null, has_audio: null };

/**
 * Writes `clip.mp4.json` beside the clip, replacing an older one. What is not known is null.
 * @throws EvolinkError `local-io`
 */
export async function writeSidecar(
  record: TaskRecord,
  file: NamedFile,
  nowMs: number,
  toolVersion: string,
): Promise<void> {
  const { body } = record;
  const { media = UNKNOWN_MEDIA, sizeBytes, sha256 } = file;
  const document = {
    schema_version: 1,
    kind: 'evolink.sidecar',
    request: body && redactRequest(body),
    operation: record.operation,
    model: body?.model,
    fingerprint: record.fingerprint,
    api_base_url: record.apiBaseUrl,
    ...taskFacts(record),
    job: record.job,
    times: {
      created: toIsoTime(record.createdAtMs),
      sent: toIsoTime(record.sentAtMs),
      accepted: toIsoTime(record.acceptedAtMs),
      completed: toIsoTime(record.completedAtMs),
      saved: toIsoTime(nowMs),
    },
    file: { size_bytes: sizeBytes, sha256, ...media },
    tool: `evolink-cli ${toolVersion}`,
  };
  const json = JSON.stringify(document, (_key, value: unknown) => value ?? null, 2);
  await replaceDurably(`${file.path}.json`, `${json}\n`, 0o644);
}

/**
 * The sidecar of a clip. Undefined where there is none that can be believed.
 * @throws EvolinkError `local-io` where the disk fails
 */
export function readSidecar(clipPath: string): Sidecar | undefined {
  const path = `${clipPath}.json`;
  try {
    const content = readSmallFile(path, MAX_SIDECAR_BYTES).toString('utf8');
    return SIDECAR.safeParse(JSON.parse(content)).data;
  } catch (error) {
    const isNone =
      error instanceof SyntaxError || error instanceof FileRefusal || fsErrorCode(error) === 'ENOENT';
    if (isNone) return undefined;
    throw localIoError(error, 'read', path);
  }
}

/** Says whether the name of a clip's sidecar belongs to anything that evolink has not written. Never throws. */
export async function isSidecarForeign(clipPath: string): Promise<boolean> {
  try {
    // A disk that fails says so when it is written.
    const isThere = (await lstat(`${clipPath}.json`).catch(() => undefined)) !== undefined;
    return isThere && readSidecar(clipPath) === undefined;
  } catch {
    return true;
  }
}

/**
 * Refuses, before anything is paid for, what would replace a file of the user's by a sidecar.
 * @throws EvolinkError `local-io`
 */
export async function checkSidecarPlace(clipPath: string): Promise<void> {
  if (!(await isSidecarForeign(clipPath))) return;
  throw new EvolinkError(
    'local-io',
    `the sidecar's place "${clipPath}.json" has a file that evolink did not write; nothing was sent`,
    { hint: 'add --overwrite or --no-sidecar, or name another file with -o', charged: 'no' },
  );
}
