import type { TaskRecord } from '../journal/record.ts';
import { runInFrame } from './command-frame.ts';
import type { Context } from './context.ts';
import { type FormOptions, formOf } from './form.ts';
import { openRecords } from './open-records.ts';
import type { OutputOptions } from './prepare-job.ts';
import { needsIds, resumeMany } from './resume-many.ts';
import { recordsOf } from './run-resume.ts';

export interface DownloadOptions extends FormOptions, OutputOptions {
  readonly all?: boolean;
  readonly sidecar?: boolean;
}

/** `evolink download`: saves what is finished, without waiting for what is not. */
export function runDownload(
  context: Context,
  { ids, options }: { readonly ids: readonly string[]; readonly options: DownloadOptions },
): Promise<number> {
  return runInFrame(context, { form: options, flags: { sidecar: options.sidecar } }, async (frame) => {
    const isAll = options.all === true;
    if (ids.length === 0 && !isAll) throw needsIds('download');
    const records =
      ids.length > 0
        ? await recordsOf(context, frame, { ids, options, isAgain: true })
        : (await openRecords(frame)).filter(hasTask);
    return resumeMany(context, records, {
      frame,
      form: formOf(options),
      waitTimeoutMs: 0,
      isResubmitting: false,
      isPendingFine: isAll,
    });
  });
}

/** Only what the service is known to have taken can be finished. */
function hasTask({ taskId }: TaskRecord): boolean {
  return taskId !== undefined;
}
