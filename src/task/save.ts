import { dirname } from 'node:path';
import { fillPattern, knownPath } from '../config/output.ts';
import type { SavedFile } from '../download/fetch.ts';
import { keepExisting, SavedElsewhereError, saveLink } from '../download/save-link.ts';
import { streamLink } from '../download/stream-link.ts';
import type { MediaExpectation } from '../download/verify.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { findModel, outputPixels } from '../request/models.ts';
import type { GenerateDependencies, TaskResult } from './events.ts';
import { isUnknownTask, recordFacts } from './failures.ts';
import type { TaskRecord } from './record.ts';
import { isSidecarForeign, warnOfForeignFile, writeSidecar } from './sidecar.ts';
import { readPatiently } from './wait.ts';

/** With less than this left, an interruption that nobody notices soon would cost the clip. */
const SHORT_LIFE_MS = 60 * 60_000;

/** One task being saved. `record` follows the journal, so that a later step never forgets an earlier one. */
interface Saving {
  readonly deps: GenerateDependencies;
  record: TaskRecord;
  readonly links: readonly string[];
  readonly signal: AbortSignal;
  readonly files: SavedFile[];
  /** Files that were kept instead of a clip, and are none of this task's. */
  readonly foreignFiles: string[];
  readonly failures: EvolinkError[];
}

/**
 * Saves every clip of a completed task and closes its record.
 * @throws EvolinkError `download`, `expired`, `local-io`; `partial` when only some of several clips could be saved;
 * the signal's reason when aborted
 */
export async function saveTask(
  deps: GenerateDependencies,
  record: TaskRecord,
  signal: AbortSignal,
): Promise<TaskResult> {
  const saving: Saving = {
    deps,
    record,
    links: record.links ?? [],
    signal,
    files: [],
    foreignFiles: [],
    failures: [],
  };
  warnOfEnd(deps, record);
  for (const index of saving.links.keys()) {
    try {
      saving.files.push(await saveOne(saving, index));
    } catch (error) {
      if (error instanceof SavedElsewhereError) saving.files.push(error.saved);
      if (!isEvolinkError(error) || saving.links.length === 1) throw await close(saving, error);
      saving.failures.push(error);
    }
  }
  const [first] = saving.files;
  if (first === undefined)
    throw saving.failures[0] ?? new EvolinkError('internal', 'a completed task without links');
  if (saving.failures.length > 0) throw someMissing(saving);
  // A clip that was paid for is not saved because another file has its name: its record stays open.
  for (const path of saving.foreignFiles) await warnOfForeignFile(deps, record, path);
  const isSaved = saving.foreignFiles.length === 0;
  return toResult(isSaved ? await closeSaved(saving) : saving.record, first, saving.files);
}

/** Both times are on our clock: the end was reckoned from the service's own when the task was read. */
function warnOfEnd({ clock, emit }: GenerateDependencies, { linkExpiresAtMs }: TaskRecord): void {
  if (linkExpiresAtMs === undefined) return;
  const leftMs = linkExpiresAtMs - clock.now();
  if (leftMs >= SHORT_LIFE_MS) return;
  const endsAt = new Date(linkExpiresAtMs).toISOString();
  const message =
    leftMs > 0
      ? `the link may end in ${Math.ceil(leftMs / 60_000)} min (${endsAt}); if this download breaks off, run it again before then`
      : `the link was to end at ${endsAt}; it is tried all the same`;
  emit({ kind: 'warning', code: 'link-ends-soon', message });
}

/** The record of a single clip was closed with its file. */
async function closeSaved({ deps, record }: Saving): Promise<TaskRecord> {
  if (record.state === 'saved') return record;
  return deps.journal.update(record.localId, { state: 'saved', saved: record.saved ?? [] });
}

/** An expired result will never come back: its record is closed. Everything else stays open for the next run. */
async function close({ deps, record }: Saving, error: unknown): Promise<unknown> {
  if (!isEvolinkError(error)) return error;
  if (error.kind === 'expired') {
    await deps.journal.update(record.localId, {
      state: 'expired',
      error: { kind: 'expired', message: error.message },
    });
  }
  const isOver = error.kind === 'expired' || error instanceof SavedElsewhereError;
  return error.with({ charged: 'yes', ...recordFacts(record), ...(isOver ? { resume: undefined } : {}) });
}

function someMissing({ record, files, failures, links }: Saving): EvolinkError {
  const saved = files.map(({ path }) => `saved: ${path ?? 'to standard output'}`);
  return new EvolinkError(
    'partial',
    `${files.length} of ${links.length} clips of task ${record.taskId} were saved`,
    {
      details: [...saved, ...failures.map(({ message }) => `not saved: ${message}`)],
      hint: `evolink resume ${record.taskId}`,
      charged: 'yes',
      ...recordFacts(record),
    },
  );
}

async function saveOne(saving: Saving, index: number): Promise<SavedFile> {
  const { deps, record, signal } = saving;
  const { output } = record;
  const job = {
    taskId: record.taskId ?? '',
    link: saving.links[index] ?? '',
    expectation: expectationOf(record),
    linkExpiresAtMs: record.linkExpiresAtMs,
    refreshLink: () => refreshLink(saving, index),
    limits: deps.limits,
    signal,
  };
  const common = { client: deps.links, clock: deps.clock, emit: deps.emit };
  if (output.kind === 'stdout') {
    const file = await streamLink({ ...common, stdout: deps.stdout }, job);
    emitSaved(deps, record, file);
    return file;
  }
  const target = numbered(fillPattern(output, fieldsOf(record)), index);
  await deps.tidyFolder?.(dirname(target));
  const earlier = await savedBefore(record, target);
  if (earlier !== undefined) return earlier;
  const file = await saveLink(common, {
    ...job,
    target,
    onExisting: output.onExisting,
    onPublished: (published) => notePublished(saving, published),
  });
  if (file.isSkipped === true) saving.foreignFiles.push(target);
  emitSaved(deps, record, file);
  return file;
}

/** A clip of several that an earlier run has saved, if it is still what was saved then. */
async function savedBefore({ saved }: TaskRecord, target: string): Promise<SavedFile | undefined> {
  const entry = saved?.find(({ path }) => path === target);
  if (entry === undefined) return undefined;
  const kept = await keepExisting(target);
  return kept?.sha256 === entry.sha256 ? kept : undefined;
}

/**
 * The file has its name: its sidecar and the journal come next, while the part's record still says what the file is, so
 * that a process that dies here leaves nothing that the next run would take for somebody else's file.
 */
async function notePublished(saving: Saving, file: SavedFile & { readonly path: string }): Promise<void> {
  const { deps, record } = saving;
  const nowMs = deps.clock.now();
  if (record.hasSidecar) await addSidecar(saving, file, nowMs);
  const others = (record.saved ?? []).filter(({ path }) => path !== file.path);
  const saved = [...others, { path: file.path, sizeBytes: file.sizeBytes, sha256: file.sha256, atMs: nowMs }];
  const isLast = saving.links.length === 1;
  saving.record = await deps.journal.update(record.localId, { saved, ...(isLast ? { state: 'saved' } : {}) });
}

/** A file that came there while the clip was made is the user's: it stays, and the clip goes without. */
async function addSidecar(
  { deps, record }: Saving,
  file: SavedFile & { readonly path: string },
  nowMs: number,
): Promise<void> {
  const { output } = record;
  const isReplacing = output.kind === 'file' && output.onExisting === 'overwrite';
  if (isReplacing || !(await isSidecarForeign(file.path)))
    return writeSidecar({ record, file, nowMs, toolVersion: deps.toolVersion });
  const message = `no sidecar was written: "${file.path}.json" is a file that evolink did not write, and was left as it is`;
  deps.emit({ kind: 'warning', code: 'sidecar', message });
}

function emitSaved(deps: GenerateDependencies, record: TaskRecord, file: SavedFile): void {
  for (const message of file.warnings) deps.emit({ kind: 'warning', code: 'media', message });
  deps.emit({
    kind: 'saved',
    taskId: record.taskId ?? '',
    path: file.path,
    sizeBytes: file.sizeBytes,
    sha256: file.sha256,
    media: file.media,
    credits: record.usedCredits ?? record.reservedCredits,
    linkExpiresAtMs: record.linkExpiresAtMs,
    isSkipped: file.isSkipped,
  });
}

/** When the link expires, on our clock as it stands now, whatever it said when the task was completed. */
function expiryByServer(
  { linkExpiresAtMs, serverAheadMs = 0 }: TaskRecord,
  serverNowMs: number | undefined,
  nowMs: number,
): number | undefined {
  if (linkExpiresAtMs === undefined || serverNowMs === undefined) return linkExpiresAtMs;
  return linkExpiresAtMs + serverAheadMs - (serverNowMs - nowMs);
}

async function refreshLink({ deps, record, signal }: Saving, index: number) {
  try {
    const task = await readPatiently(deps, record.taskId ?? '', signal);
    const link = task.links[index];
    return link === undefined
      ? ('gone' as const)
      : { link, linkExpiresAtMs: expiryByServer(record, task.serverNowMs, deps.clock.now()) };
  } catch (error) {
    if (isUnknownTask(error)) return 'gone' as const;
    throw error;
  }
}

/** The fields that an output pattern can name, from the record alone, so that any later run names the file the same. */
export function fieldsOf(record: Pick<TaskRecord, 'taskId' | 'operation' | 'body' | 'createdAtMs'>) {
  const { body } = record;
  const created = new Date(record.createdAtMs).toISOString();
  return {
    ...(record.taskId === undefined ? {} : { id: record.taskId }),
    slug: body?.prompt ?? record.operation ?? 'video',
    date: created.slice(0, 10),
    time: created.slice(11, 19).replaceAll(':', ''),
    ...(record.operation === undefined ? {} : { operation: record.operation }),
    ...(body === undefined ? {} : bodyFields(body)),
  };
}

function bodyFields(body: NonNullable<TaskRecord['body']>) {
  const tier = findModel(body.model)?.tier;
  return {
    model: body.model,
    ...(tier === undefined ? {} : { tier }),
    ...(body.aspect_ratio === undefined ? {} : { ratio: body.aspect_ratio }),
    ...(body.quality === undefined ? {} : { quality: body.quality }),
    ...(body.duration === undefined ? {} : { duration: String(body.duration) }),
  };
}

/** `clip.mp4`, `clip-2.mp4`, …: one task gives one video today, but the answer is a list. */
function numbered(path: string, index: number): string {
  return index === 0 ? path : path.replace(/\.mp4$/i, `-${index + 1}.mp4`);
}

function expectationOf({ body }: TaskRecord): MediaExpectation {
  if (body === undefined) return {};
  const pixels = outputPixels(body.quality ?? '', body.aspect_ratio ?? '');
  return { durationSeconds: body.duration, hasAudio: body.generate_audio, ...pixels };
}

/** What is known of a task, whatever came of it. */
export function resultOf(record: TaskRecord, state: TaskResult['state']): TaskResult {
  const { localId, taskId, operation, estimatedCredits, reservedCredits, usedCredits, linkExpiresAtMs } =
    record;
  const known = { localId, taskId, operation, estimatedCredits, reservedCredits, usedCredits };
  return { ...known, state, model: record.body?.model, linkExpiresAtMs, warnings: [] };
}

/** The result of a record that is saved already. */
export function savedResult(record: TaskRecord): TaskResult {
  const files = record.saved ?? [];
  const { path, sizeBytes, sha256 } = files[0] ?? {};
  return { ...resultOf(record, 'skipped'), path, paths: files.map((file) => file.path), sizeBytes, sha256 };
}

function toResult(record: TaskRecord, file: SavedFile, files: readonly SavedFile[]): TaskResult {
  const { path, sizeBytes, sha256, media } = file;
  return {
    ...resultOf(record, file.isSkipped === true ? 'skipped' : 'saved'),
    path,
    paths: files.flatMap((each) => each.path ?? []),
    sizeBytes,
    sha256,
    media,
    warnings: files.flatMap(({ warnings }) => warnings),
  };
}

/** Where the clip of a request that may have been paid for is to go; undefined for a stream, and while its name is not known. */
export function placeOf(record: TaskRecord): string | undefined {
  if (record.state === 'intent' || record.output.kind !== 'file') return undefined;
  return knownPath(record.output, fieldsOf(record));
}
