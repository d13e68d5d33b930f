import { dirname } from 'node:path';
import { makeFolder } from '../platform/make-folder.ts';
import { finishCommit, keepExisting } from './commit-part.ts';
import { diskFailed } from './download-errors.ts';
import { openPart } from './part-file.ts';
import {
  createSave,
  keptPart,
  type SaveLinkDependencies,
  type SaveLinkJob,
  saveByAttempts,
} from './save-attempts.ts';
import type { SavedFile } from './types.ts';

/**
 * Saves one result: continues what an earlier run left, repeats what may pass by itself, asks for a fresh link when the link
 * is dead, verifies, and gives the file its name in one step. Whatever ends it, what has come is kept for the next run.
 * @throws EvolinkError `download` (9), `expired` (10), `local-io` (11; `SavedElsewhereError` when the file is whole but
 * its name was taken); what `refreshLink` throws; the signal's reason when aborted
 */
export async function saveLink(deps: SaveLinkDependencies, job: SaveLinkJob): Promise<SavedFile> {
  job.signal.throwIfAborted();
  try {
    const existing =
      (await finishCommit(job)) ?? (job.onExisting === 'skip' ? await keepExisting(job) : undefined);
    return existing ?? (await download(deps, job));
  } catch (error) {
    throw diskFailed(error, job);
  }
}

async function download(deps: SaveLinkDependencies, job: SaveLinkJob): Promise<SavedFile> {
  await makeFolder(dirname(job.target));
  const part = await openPart(job, deps.opener);
  if (part.rejection !== undefined) {
    deps.emit({
      kind: 'download-restarted',
      taskId: job.taskId,
      reason: `what was kept is not used: ${part.rejection}`,
    });
  }
  const save = createSave(deps, job, part);
  try {
    return await saveByAttempts(save);
  } catch (error) {
    const kept = keptPart(save);
    await save.part.suspend();
    throw diskFailed(error, job, kept);
  }
}
