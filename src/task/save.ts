import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { fillPattern, knownPath } from '../config/output.ts';
import type { NamedFile, SavedFile } from '../download/fetch.ts';
import { keepExisting, SavedElsewhereError, saveLink } from '../download/save-link.ts';
import { streamLink } from '../download/stream-link.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { numberedPaths } from '../platform/durable-file.ts';
import { quoteCommand, toIsoTime } from '../platform/text.ts';
import { findModel, outputPixels } from '../request/models.ts';
import type { GenerateDependencies, TaskResult } from './events.ts';
import { downloadCommand, isUnknownTask, recordFacts } from './failures.ts';
import { type TaskRecord, taskFacts } from './record.ts';
import { isSidecarForeign, writeSidecar } from './sidecar.ts';
import { readPatiently } from './wait.ts';

/** With less than this left, an interruption that nobody notices soon would cost the clip. */
const SHORT_LIFE_MS = 60 * 60_000;

/**
 * Saves every clip of a completed task and closes its record.
 * @throws EvolinkError `download`, `expired`, `local-io`; `partial` when only some of several clips could be saved;
 * the signal's reason when aborted
 */
export async function saveTask(
  deps: GenerateDependencies,
  start: TaskRecord,
  signal: AbortSignal,
): Promise<TaskResult> {
  const { clock, emit, journal, limits } = deps;
  const { localId, taskId = '', links = [], output, body, linkExpiresAtMs } = start;
  const onExisting = output.kind === 'file' ? output.onExisting : 'refuse';
  /** Follows the journal, so that a later step never forgets an earlier one. */
  let record = start;
  const files: SavedFile[] = [];
  const failures: EvolinkError[] = [];
  /** Whether a file was kept instead of a clip that is none of this task's. */
  let hasForeign = false;

  async function refreshLink(index: number) {
    try {
      const { serverAheadMs = 0 } = start;
      const { links: fresh, serverNowMs } = await readPatiently(deps, taskId, signal);
      const link = fresh[index];
      // On our clock as it stands now, whatever it said when the task was completed.
      const movedMs = serverNowMs === undefined ? 0 : serverAheadMs - (serverNowMs - clock.now());
      if (link !== undefined) return { link, linkExpiresAtMs: linkExpiresAtMs && linkExpiresAtMs + movedMs };
    } catch (error) {
      if (!isUnknownTask(error)) throw error;
    }
    return 'gone' as const;
  }

  /**
   * The file has its name: its sidecar and the journal come next, while the part's record still says what the file is, so
   * that a process that dies here leaves nothing that the next run would take for somebody else's file.
   */
  async function notePublished(file: NamedFile): Promise<void> {
    const { path, sizeBytes, sha256 } = file;
    const atMs = clock.now();
    if (record.hasSidecar && (onExisting === 'overwrite' || !(await isSidecarForeign(path))))
      await writeSidecar(record, file, atMs, deps.toolVersion);
    // A file that came there while the clip was made is the user's: it stays, and the clip goes without.
    else if (record.hasSidecar)
      warn('sidecar', `no sidecar was written: "${path}.json" is a file that evolink did not write`);
    const others = (record.saved ?? []).filter((other) => other.path !== path);
    const saved = [...others, { path, sizeBytes, sha256, atMs }];
    record = await journal.update(localId, links.length === 1 ? { saved, state: 'saved' } : { saved });
  }

  const warn = (code: string, message: string): void => emit({ kind: 'warning', code, message });

  async function saveOne(link: string, index: number): Promise<SavedFile> {
    const expectation = {
      // -1: the model chose it.
      durationSeconds: body?.duration === -1 ? undefined : body?.duration,
      hasAudio: body?.generate_audio,
      ...outputPixels(body?.quality ?? '', body?.aspect_ratio ?? '', body?.model),
    };
    const refresh = () => refreshLink(index);
    const job = { taskId, link, expectation, linkExpiresAtMs, refreshLink: refresh, limits, signal };
    const common = { client: deps.links, clock, emit };
    let file: SavedFile;
    if (output.kind === 'stdout') file = await streamLink({ ...common, stdout: deps.stdout }, job);
    else {
      // `clip.mp4`, `clip-2.mp4`, …: one task gives one video today, but the answer is a list.
      const first = fillPattern(output, fieldsOf(start));
      const target = index === 0 ? first : first.replace(/\.mp4$/i, `-${index + 1}.mp4`);
      await deps.tidyFolder?.(dirname(target));
      // A clip of several that an earlier run has saved, if it is still what was saved then.
      const entry = start.saved?.find(({ path }) => path === target);
      const kept = entry && (await keepExisting(target));
      if (kept !== undefined && kept.sha256 === entry?.sha256) return kept;
      file = await saveLink(common, { ...job, target, onExisting, onPublished: notePublished });
    }
    const { warnings, ...facts } = file;
    for (const message of warnings) warn('media', message);
    const credits = start.usedCredits ?? start.reservedCredits;
    emit({ kind: 'saved', taskId, ...facts, credits, linkExpiresAtMs });
    if (file.isSkipped !== true) return file;
    hasForeign = true;
    const free = [...numberedPaths(file.path ?? '')].find((name) => !existsSync(name)) ?? '';
    const command = quoteCommand([...downloadCommand(record), '-o', free]);
    // A clip that was paid for is not saved because another file has its name: its record stays open.
    warn(
      'not-saved',
      `"${file.path}" is another file and was left alone; the clip of task ${taskId} is paid for and not saved yet; to save it beside: ${command}`,
    );
    return file;
  }

  /** An expired result will never come back: its record is closed. Everything else stays open for the next run. */
  async function close(error: EvolinkError): Promise<EvolinkError> {
    const { kind, message } = error;
    if (kind === 'expired') await journal.update(localId, { state: 'expired', error: { kind, message } });
    const isOver = kind === 'expired' || error instanceof SavedElsewhereError;
    const { resume, ...facts } = recordFacts(record);
    return error.with({ charged: 'yes', ...facts, resume: isOver ? undefined : resume });
  }

  // Both times are on our clock: the end was reckoned from the service's own when the task was read.
  const leftMs = (linkExpiresAtMs ?? Number.POSITIVE_INFINITY) - clock.now();
  const endsAt = toIsoTime(linkExpiresAtMs);
  if (leftMs < SHORT_LIFE_MS)
    warn(
      'link-ends-soon',
      leftMs > 0
        ? `the link may end in ${Math.ceil(leftMs / 60_000)} min (${endsAt}); if this download breaks off, run it again before then`
        : `the link was to end at ${endsAt}; it is tried all the same`,
    );
  for (const [index, link] of links.entries()) {
    try {
      files.push(await saveOne(link, index));
    } catch (error) {
      if (!isEvolinkError(error)) throw error;
      if (error instanceof SavedElsewhereError) files.push(error.saved);
      if (links.length === 1) throw await close(error);
      failures.push(error);
    }
  }
  const [first] = files;
  if (first === undefined)
    throw failures[0] ?? new EvolinkError('internal', 'a completed task without links');
  if (failures.length > 0)
    throw new EvolinkError(
      'partial',
      `${files.length} of ${links.length} clips of task ${taskId} were saved`,
      {
        details: [
          ...files.map(({ path = 'to standard output' }) => `saved: ${path}`),
          ...failures.map(({ message }) => `not saved: ${message}`),
        ],
      },
    );
  if (!hasForeign && record.state !== 'saved')
    record = await journal.update(localId, { state: 'saved', saved: record.saved ?? [] });
  const warnings = files.flatMap((file) => file.warnings);
  return { ...resultOf(record, first.isSkipped === true ? 'skipped' : 'saved', files), warnings };
}

/** The fields that an output pattern can name, from the record alone, so that any later run names the file the same. */
export function fieldsOf(record: Pick<TaskRecord, 'taskId' | 'operation' | 'body' | 'createdAtMs'>) {
  const { body, operation, taskId } = record;
  const created = new Date(record.createdAtMs).toISOString();
  return {
    id: taskId,
    slug: body?.prompt ?? operation ?? 'video',
    date: created.slice(0, 10),
    time: created.slice(11, 19).replaceAll(':', ''),
    operation,
    model: body?.model,
    tier: body && findModel(body.model)?.tier,
    ratio: body?.aspect_ratio,
    quality: body?.quality,
    duration: body?.duration === undefined ? undefined : String(body.duration),
  };
}

/** What is known of a task, whatever came of it. */
export function resultOf(
  record: TaskRecord,
  state: TaskResult['state'],
  files: readonly Partial<SavedFile>[] = [],
): TaskResult {
  const [{ path = null, sizeBytes = null, sha256 = null, media = null } = {}] = files;
  const { local_id, task_id, credits } = taskFacts(record);
  return {
    local_id,
    task_id,
    state,
    operation: record.operation ?? null,
    model: record.body?.model ?? null,
    path,
    paths: files.flatMap((file) => file.path ?? []),
    size_bytes: sizeBytes,
    sha256,
    media,
    credits,
    link_expires_at: toIsoTime(record.linkExpiresAtMs),
    warnings: [],
  };
}

/** The result of a record that is saved already. */
export function savedResult(record: TaskRecord): TaskResult {
  return resultOf(record, 'skipped', record.saved);
}

/** Where the clip of a request that may have been paid for is to go; undefined for a stream, and while its name is not known. */
export function placeOf(record: TaskRecord): string | undefined {
  if (record.state === 'intent' || record.output.kind !== 'file') return undefined;
  return knownPath(record.output, fieldsOf(record));
}
