import { resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { askLine } from '../platform/ask-line.ts';
import type { Context } from '../platform/context.ts';
import { dismiss, lookOnceMore } from '../task/forget.ts';
import type { TaskRecord } from '../task/record.ts';
import type { FlagValues } from './flags.ts';
import { type FormOptions, formOf } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import { otherServiceError } from './other-services.ts';
import { createDependencies } from './session.ts';

type ForgetOptions = FormOptions & FlagValues<'yes'>;

/** `evolink forget ID`: dismisses a record that a person has judged, or puts a file away that can't be read as one. */
export function runForget(
  context: Context,
  { id, options }: { readonly id: string; readonly options: ForgetOptions },
): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const { journal } = frame.session;
    const path = resolve(context.cwd, id);
    const file = (await journal.unusable()).find((unusable) => unusable.path === path);
    if (file !== undefined) {
      await confirm(context, { frame, options }, `${file.path} can't be read (${file.reason})`);
      const movedTo = await journal.putAway(file.path);
      return finish(frame, { id: file.path, moved_to: movedTo });
    }
    const record = await requireRecord(frame, id);
    if (record.state !== 'dismissed') {
      const deps = await createDependencies(context, frame.session, frame.reporter.event);
      const { finding } = await lookOnceMore(deps, record, context.signals.signal);
      await confirm(context, { frame, options }, finding);
      await dismiss(deps, record, context.signals.signal);
    }
    return finish(frame, { id: record.taskId ?? record.localId, moved_to: null });
  });
}

/** By its whole id: what is dismissed is what was meant. */
async function requireRecord({ session }: Frame, id: string): Promise<TaskRecord> {
  const record = await session.journal.find(id);
  if (record === undefined || (record.localId !== id && record.taskId !== id)) {
    const whole = record === undefined ? undefined : (record.taskId ?? record.localId);
    throw new EvolinkError('usage', `no record here has the id "${id}"`, {
      hint: whole === undefined ? 'evolink status' : `give the whole id: evolink forget ${whole}`,
    });
  }
  if (!session.isOwn(record)) throw otherServiceError(record, 'forget', session.baseUrl);
  return record;
}

/** @throws EvolinkError `usage` where nobody can be asked, or the answer is no */
async function confirm(
  context: Context,
  { frame, options }: { readonly frame: Frame; readonly options: ForgetOptions },
  finding: string,
): Promise<void> {
  const { stderr, stdin } = context.io;
  const canAsk = stdin.isTty && stderr.isTty && formOf(options) === 'human';
  if (options.yes === true) {
    frame.reporter.note(finding);
    return;
  }
  const hint = 'add --yes to dismiss it; it may have been charged';
  if (!canAsk) throw new EvolinkError('usage', `${finding}; dismissing needs --yes`, { hint });
  await stderr.write(
    `${finding}\nthe request may have been charged; submitting it again may be charged once more\n`,
  );
  const answer = await askLine('dismiss it? [y/N] ', context.signals.signal);
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new EvolinkError('usage', 'not confirmed; nothing was dismissed');
}

async function finish(
  { reporter }: Frame,
  { id, moved_to }: { readonly id: string; readonly moved_to: string | null },
): Promise<number> {
  reporter.note(`dismissed: ${id}${moved_to === null ? '' : `, moved to ${moved_to}`}`);
  await reporter.print('forget', { id, state: 'dismissed', moved_to }, '');
  return 0;
}
