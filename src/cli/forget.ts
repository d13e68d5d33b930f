import { resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { askLine } from '../platform/io.ts';
import type { TaskRecord } from '../task/record.ts';
import { dismiss, lookOnceMore } from '../task/settle.ts';
import type { FlagValues } from './flags.ts';
import { type FormOptions, formOf } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import { otherServiceError } from './own-records.ts';
import { createDependencies } from './session.ts';

type ForgetOptions = FormOptions & FlagValues<'yes'>;

const DISMISSAL = {
  verb: 'dismiss',
  warning: 'the request may have been charged; submitting it again may cost credits a second time',
};

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
      await confirm(
        context,
        { frame, options },
        { ...DISMISSAL, finding: `${file.path} can't be read (${file.reason})` },
      );
      const movedTo = await journal.putAway(file.path);
      return finish(frame, { id: file.path, moved_to: movedTo });
    }
    const record = await requireRecord(frame, id);
    if (record.state !== 'dismissed') {
      const deps = await createDependencies(context, frame.session, frame.reporter.event);
      const finding = await lookOnceMore(deps, record, context.signals.signal);
      await confirm(context, { frame, options }, { ...DISMISSAL, finding });
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

interface Question {
  /** What is known, as said before the question and without it. */
  readonly finding: string;
  /** What it may cost to say yes. */
  readonly warning: string;
  /** The verb: `dismiss`. */
  readonly verb: string;
}

/** @throws EvolinkError `usage` where nobody can be asked, or the answer is no */
export async function confirm(
  context: Context,
  { frame, options }: { readonly frame: Frame; readonly options: ForgetOptions },
  { finding, warning, verb }: Question,
): Promise<void> {
  const { stderr, stdin } = context.io;
  if (options.yes === true) {
    frame.reporter.note(finding);
    return;
  }
  if (!stdin.isTty || !stderr.isTty || formOf(options) !== 'human')
    throw new EvolinkError('usage', `${finding}; --yes is required to ${verb} it`, {
      hint: `add --yes; ${warning}`,
    });
  await stderr.write(`${finding}\n${warning}\n`);
  const answer = await askLine(`${verb} it? [y/N] `, context.signals.signal);
  if (!/^y(es)?$/i.test(answer.trim())) throw new EvolinkError('usage', `not confirmed; nothing to ${verb}`);
}

async function finish(
  { reporter }: Frame,
  { id, moved_to }: { readonly id: string; readonly moved_to: string | null },
): Promise<number> {
  reporter.note(`dismissed: ${id}${moved_to === null ? '' : `, moved to ${moved_to}`}`);
  await reporter.print('forget', { id, state: 'dismissed', moved_to }, '');
  return 0;
}
