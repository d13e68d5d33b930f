import { finishCommit } from '../download/commit-part.ts';
import { exists, hasContent } from '../download/has-content.ts';
import { knownPath } from '../download/known-path.ts';
import type { SavedFile } from '../download/types.ts';
import type { TaskRecord } from '../journal/record.ts';
import type { GenerateDependencies } from './dependencies.ts';
import type { TaskResult } from './events.ts';
import { newestSaved } from './newest-saved.ts';
import { savedResult } from './resume.ts';
import { fieldsOf } from './save-task.ts';

/**
 * The clip of an earlier run of the very same command, if it still lies where this one is to go: the answer to both, and
 * nothing to pay for. With `--overwrite` only where that run ended before it could say that it was done (its note is still
 * there), as otherwise another clip is asked for.
 */
export async function findSaved(
  deps: Pick<GenerateDependencies, 'journal' | 'service'>,
  draft: TaskRecord,
): Promise<TaskResult | undefined> {
  const { output } = draft;
  if (output.kind !== 'file') return undefined;
  const target = knownPath(output, fieldsOf(draft));
  // Without a file there is nothing to look through the records for; one that can't be looked at is told of later.
  if (target === undefined || !(await exists(target).catch(() => false))) return undefined;
  const isHere = ({ saved }: TaskRecord) => saved?.some(({ path }) => path === target) === true;
  const record = await newestSaved(deps, draft.identity, isHere);
  const saved = record?.saved?.find(({ path }) => path === target);
  if (record === undefined || saved === undefined) return undefined;
  if (!(await hasContent(target, saved).catch(() => false))) return undefined;
  const wasLeft = (await finishNote(record, target)) !== undefined;
  if (output.onExisting === 'overwrite' && !wasLeft) return undefined;
  const message = `"${target}" is the clip of this very request, saved before as ${record.taskId}: nothing is sent (--overwrite buys another in its place)`;
  return { ...savedResult(record), path: target, warnings: [message] };
}

/** What a process that died right after it had saved has left beside the clip goes; says whether there was any. */
async function finishNote({ taskId, links }: TaskRecord, target: string): Promise<SavedFile | undefined> {
  const [link] = links ?? [];
  if (taskId === undefined || link === undefined) return undefined;
  return finishCommit({ taskId, link, target, onExisting: 'refuse' }).catch(() => undefined);
}
