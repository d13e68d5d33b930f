import type { Context } from '../platform/context.ts';
import { type FormOptions, formOf } from './form.ts';
import { runInFrame } from './frame.ts';
import type { OutputOptions } from './prepare-job.ts';
import { chooseTasks, needsIds, resumeMany } from './resume.ts';

export interface DownloadOptions extends FormOptions, OutputOptions {
  readonly all?: boolean;
  readonly sidecar?: boolean;
  readonly unverified?: boolean;
}

/** `evolink download`: saves what is finished, without waiting for what is not. */
export function runDownload(
  context: Context,
  { ids, options }: { readonly ids: readonly string[]; readonly options: DownloadOptions },
): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const isAll = options.all === true;
    if (ids.length === 0 && !isAll) throw needsIds('download');
    const { records, ...chosen } = await chooseTasks(context, frame, {
      ids,
      options,
      verb: 'download',
      isAgain: true,
    });
    return resumeMany(context, records, {
      ...chosen,
      frame,
      form: formOf(options),
      waitTimeoutMs: 0,
      isPendingFine: isAll,
      acceptsUnverified: options.unverified,
    });
  });
}
