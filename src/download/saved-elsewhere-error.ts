import { EvolinkError } from '../errors.ts';
import type { SavedFile } from './types.ts';

/**
 * The video is whole and on the disk, but under another name than asked for, since that was taken in the meantime. Exit 11,
 * so that no script goes on with a stranger's file; `saved` is what to record: the task is done.
 */
export class SavedElsewhereError extends EvolinkError {
  readonly saved: SavedFile & { readonly path: string };

  constructor(
    saved: SavedFile & { readonly path: string },
    options: { readonly target: string; readonly taskId: string },
  ) {
    super('local-io', `"${options.target}" exists already, so the video was saved as "${saved.path}"`, {
      details: [`saved: ${saved.path}`],
      hint: `keep it there, or move it: mv -- '${saved.path.replaceAll("'", "'\\''")}' NEW-NAME.mp4`,
      charged: 'yes',
      retryable: false,
      taskId: options.taskId,
    });
    this.saved = saved;
  }
}
