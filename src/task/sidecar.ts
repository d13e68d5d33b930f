import { lstat, stat } from 'node:fs/promises';
import type { OnExisting, SavedFile } from '../config/output-pattern.ts';
import { exists } from '../download/target.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { quoteCommand } from '../platform/command-text.ts';
import { numberedPaths, replaceDurably } from '../platform/durable-file.ts';
import { readTextFile } from '../platform/read-file.ts';
import { redactRequest } from '../request/public-url.ts';
import type { GenerateDependencies } from './events.ts';
import { downloadCommand } from './failures.ts';
import type { TaskRecord } from './record.ts';

/** Value of `kind` in a sidecar, by which `-f clip.mp4.json` knows it. */
export const SIDECAR_KIND = 'evolink.sidecar';

export interface SidecarFacts {
  readonly record: TaskRecord;
  readonly file: SavedFile & { readonly path: string };
  readonly nowMs: number;
  readonly toolVersion: string;
}

/** The document beside a clip: what made it, what it cost, what it is. Pure. */
function toSidecarDocument({ record, file, nowMs, toolVersion }: SidecarFacts) {
  return {
    schema_version: 1,
    kind: SIDECAR_KIND,
    request: record.body === undefined ? null : redactRequest(record.body),
    operation: record.operation ?? null,
    model: record.body?.model ?? null,
    fingerprint: record.fingerprint,
    // Tells a rehearsal in the sandbox from a clip that was paid for.
    api_base_url: record.apiBaseUrl,
    task_id: record.taskId ?? null,
    local_id: record.localId,
    credits: {
      estimated: record.estimatedCredits ?? null,
      reserved: record.reservedCredits ?? null,
      used: record.usedCredits ?? null,
    },
    times: {
      created: isoTime(record.createdAtMs),
      sent: isoTime(record.sentAtMs),
      accepted: isoTime(record.acceptedAtMs),
      completed: isoTime(record.completedAtMs),
      saved: isoTime(nowMs),
    },
    file: {
      size_bytes: file.sizeBytes,
      sha256: file.sha256,
      duration_seconds: file.media?.durationSeconds ?? null,
      width_px: file.media?.widthPx ?? null,
      height_px: file.media?.heightPx ?? null,
      has_audio: file.media?.hasAudio ?? null,
    },
    tool: `evolink-cli ${toolVersion}`,
  };
}

function isoTime(atMs: number | undefined): string | null {
  return atMs === undefined ? null : new Date(atMs).toISOString();
}

/**
 * Writes `clip.mp4.json` beside the clip, replacing an older one.
 * @throws EvolinkError `local-io`
 */
export async function writeSidecar(facts: SidecarFacts): Promise<void> {
  await replaceDurably(
    `${facts.file.path}.json`,
    `${JSON.stringify(toSidecarDocument(facts), null, 2)}\n`,
    0o644,
  );
}

/** More than any sidecar has. */
export const MAX_SIDECAR_BYTES = 1_000_000;

/** Says whether the name of a clip's sidecar is taken by anything that evolink has not written. Never throws. */
export async function isSidecarForeign(clipPath: string): Promise<boolean> {
  const path = `${clipPath}.json`;
  // What can't be looked at is told of when it is written.
  if ((await lstat(path).catch(() => undefined)) === undefined) return false;
  // Nothing but a file is opened: a pipe would be waited for.
  if ((await stat(path).catch(() => undefined))?.isFile() !== true) return true;
  try {
    const { text } = await readTextFile(path, { label: 'sidecar', maxBytes: MAX_SIDECAR_BYTES });
    const value: unknown = JSON.parse(text);
    return typeof value !== 'object' || value === null || !('kind' in value) || value.kind !== SIDECAR_KIND;
  } catch (error) {
    if (isEvolinkError(error) || error instanceof SyntaxError) return true;
    throw error;
  }
}

export interface SidecarPlace {
  /** Absolute; undefined while it is not known yet. */
  readonly clipPath: string | undefined;
  readonly hasSidecar: boolean;
  readonly onExisting: OnExisting;
}

/**
 * Refuses, before anything is paid for, what would replace a file of the user's by a sidecar.
 * @throws EvolinkError `local-io`
 */
export async function checkSidecarPlace({ clipPath, hasSidecar, onExisting }: SidecarPlace): Promise<void> {
  if (!hasSidecar || clipPath === undefined || onExisting === 'overwrite') return;
  if (!(await isSidecarForeign(clipPath))) return;
  throw new EvolinkError(
    'local-io',
    `the sidecar's place "${clipPath}.json" has a file that evolink did not write; nothing was sent`,
    { hint: 'add --overwrite or --no-sidecar, or name another file with -o', charged: 'no' },
  );
}

/** Says that a file which is none of the task's was kept, and how the clip that was paid for is saved beside it. */
export async function warnOfStranger(
  { emit }: Pick<GenerateDependencies, 'emit'>,
  record: TaskRecord,
  path: string,
): Promise<void> {
  const command = quoteCommand([...downloadCommand(record), '-o', await freeName(path)]);
  const message = `"${path}" is another file and was left alone; the clip of task ${record.taskId} is paid for and not saved yet; to save it beside: ${command}`;
  emit({ kind: 'warning', code: 'not-saved', message });
}

/** The first of `clip-2.mp4`, `clip-3.mp4`, … that is free. */
async function freeName(path: string): Promise<string> {
  for (const name of numberedPaths(path)) if (!(await exists(name))) return name;
  return path;
}
