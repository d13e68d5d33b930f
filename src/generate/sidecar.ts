import type { SavedFile } from '../download/types.ts';
import type { TaskRecord } from '../journal/record.ts';
import { replaceDurably } from '../platform/durable-file.ts';

/** Value of `kind` in a sidecar, by which `-f clip.mp4.json` knows it. */
export const SIDECAR_KIND = 'evolink.sidecar';

export interface SidecarFacts {
  readonly record: TaskRecord;
  readonly file: SavedFile & { readonly path: string };
  readonly nowMs: number;
  readonly toolVersion: string;
}

/** The document beside a clip: what made it, what it cost, what it is. Pure. */
export function toSidecarDocument({ record, file, nowMs, toolVersion }: SidecarFacts) {
  return {
    schema_version: 1,
    kind: SIDECAR_KIND,
    request: record.body ?? null,
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
