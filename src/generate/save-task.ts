import { fillPattern } from '../download/fill-pattern.ts';
import { saveLink } from '../download/save-link.ts';
import { streamLink } from '../download/stream-link.ts';
import type { MediaExpectation, SavedFile } from '../download/types.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { SavedOutput, TaskRecord } from '../journal/record.ts';
import { outputPixels } from '../request/limits.ts';
import { findModel } from '../request/models.ts';
import type { GenerateDependencies } from './dependencies.ts';
import type { TaskResult } from './events.ts';
import { recordFacts } from './failures.ts';
import { writeSidecar } from './sidecar.ts';

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
  const links = record.links ?? [];
  const files: SavedFile[] = [];
  const failures: EvolinkError[] = [];
  for (const index of links.keys()) {
    try {
      files.push(await saveOne(deps, record, { index, signal }));
    } catch (error) {
      if (!isEvolinkError(error) || links.length === 1) throw await close(deps, record, error);
      failures.push(error);
    }
  }
  const [first] = files;
  if (first === undefined)
    throw failures[0] ?? new EvolinkError('internal', 'a completed task without links');
  const saved = files.flatMap((file) => toSavedOutput(file, deps.clock.now()));
  if (failures.length > 0) throw someMissing(record, saved, failures);
  const closed = await deps.journal.update(record.localId, { state: 'saved', saved });
  return toResult(closed, first, files);
}

/** An expired result will never come back: its record is closed. Everything else stays open for the next run. */
async function close(deps: GenerateDependencies, record: TaskRecord, error: unknown): Promise<unknown> {
  if (!isEvolinkError(error)) return error;
  if (error.kind === 'expired') {
    await deps.journal.update(record.localId, {
      state: 'expired',
      error: { kind: 'expired', message: error.message },
    });
  }
  return error.with({
    charged: 'yes',
    ...recordFacts(record),
    ...(error.kind === 'expired' ? { resume: undefined } : {}),
  });
}

function someMissing(
  record: TaskRecord,
  saved: readonly SavedOutput[],
  failures: readonly EvolinkError[],
): EvolinkError {
  return new EvolinkError(
    'partial',
    `${saved.length} of ${saved.length + failures.length} clips of task ${record.taskId} were saved`,
    {
      details: [
        ...saved.map(({ path }) => `saved: ${path}`),
        ...failures.map(({ message }) => `not saved: ${message}`),
      ],
      hint: `evolink resume ${record.taskId}`,
      charged: 'yes',
      ...recordFacts(record),
    },
  );
}

async function saveOne(
  deps: GenerateDependencies,
  record: TaskRecord,
  { index, signal }: { readonly index: number; readonly signal: AbortSignal },
): Promise<SavedFile> {
  const taskId = record.taskId ?? '';
  const job = {
    taskId,
    link: record.links?.[index] ?? '',
    expectation: expectationOf(record),
    linkExpiresAtMs: record.linkExpiresAtMs,
    refreshLink: () => refreshLink(deps, record, index),
    limits: deps.limits,
    signal,
  };
  const { output } = record;
  const file =
    output.kind === 'stdout'
      ? await streamLink({ client: deps.links, clock: deps.clock, emit: deps.emit, stdout: deps.stdout }, job)
      : await saveLink(
          { client: deps.links, clock: deps.clock, emit: deps.emit },
          {
            ...job,
            target: numbered(fillPattern(output, fieldsOf(record)), index),
            onExisting: output.onExisting,
          },
        );
  if (record.hasSidecar && file.path !== undefined && file.isSkipped !== true) {
    await writeSidecar({
      record,
      file: { ...file, path: file.path },
      nowMs: deps.clock.now(),
      toolVersion: deps.toolVersion,
    });
  }
  emitSaved(deps, record, file);
  return file;
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

async function refreshLink(deps: GenerateDependencies, record: TaskRecord, index: number) {
  try {
    const task = await deps.api.getTask(record.taskId ?? '');
    const link = task.links[index];
    return link === undefined ? ('gone' as const) : { link };
  } catch (error) {
    if (isEvolinkError(error) && error.facts.httpStatus === 404) return 'gone' as const;
    throw error;
  }
}

/** The fields that an output pattern can name, from the record alone, so that any later run names the file the same. */
export function fieldsOf(record: TaskRecord) {
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
    ratio: body.aspect_ratio,
    quality: body.quality,
    duration: String(body.duration),
  };
}

/** `clip.mp4`, `clip-2.mp4`, …: one task gives one video today, but the answer is a list. */
function numbered(path: string, index: number): string {
  return index === 0 ? path : path.replace(/\.mp4$/i, `-${index + 1}.mp4`);
}

function expectationOf({ body }: TaskRecord): MediaExpectation {
  if (body === undefined) return {};
  const pixels = outputPixels(body.quality, body.aspect_ratio);
  return { durationSeconds: body.duration, hasAudio: body.generate_audio, ...pixels };
}

function toSavedOutput(file: SavedFile, atMs: number): readonly SavedOutput[] {
  const { path, sizeBytes, sha256 } = file;
  return path === undefined ? [] : [{ path, sizeBytes, sha256, atMs }];
}

function toResult(record: TaskRecord, file: SavedFile, files: readonly SavedFile[]): TaskResult {
  return {
    localId: record.localId,
    taskId: record.taskId,
    state: file.isSkipped === true ? 'skipped' : 'saved',
    operation: record.operation,
    model: record.body?.model,
    path: file.path,
    paths: files.flatMap(({ path }) => (path === undefined ? [] : [path])),
    sizeBytes: file.sizeBytes,
    sha256: file.sha256,
    media: file.media,
    estimatedCredits: record.estimatedCredits,
    reservedCredits: record.reservedCredits,
    usedCredits: record.usedCredits,
    linkExpiresAtMs: record.linkExpiresAtMs,
    warnings: files.flatMap(({ warnings }) => warnings),
  };
}
