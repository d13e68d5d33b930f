import { EvolinkError, isEvolinkError, SIGNAL_EXITS, StoppedError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import type { Io, OutputStream } from '../platform/io.ts';
import { toHumanText } from '../platform/text.ts';
import type { Setting } from '../request/estimate.ts';
import { resumeCommand } from '../task/failures.ts';
import type { TaskRecord } from '../task/record.ts';
import { createReporter, type Reporter } from '../ui/reporter.ts';
import { type FormOptions, formOf, verbosityOf } from './form.ts';
import { withOwnCommands } from './own-commands.ts';
import { createKnownRecords, recordLines, stalledError } from './sent-records.ts';
import { openSession, type Session, type Warn } from './session.ts';

/**
 * The streams with what the config says of colour. It is weaker than flag and environment, which the streams know
 * already, and stronger than what kind of stream it is.
 */
function applyColor(
  io: Io,
  setting: Setting<boolean | undefined>,
  env: Readonly<Record<string, string | undefined>>,
): Io {
  const isDecided =
    setting.level === 'flag' || Boolean(env.NO_COLOR || env.FORCE_COLOR || env.CLICOLOR_FORCE);
  if (setting.value === undefined || isDecided) return io;
  const change = (stream: OutputStream): OutputStream => ({
    ...stream,
    colorLevel: setting.value === true ? stream.colorLevel || 1 : 0,
  });
  return { ...io, stdout: change(io.stdout), stderr: change(io.stderr) };
}

/** What a command works in: settings, a reporter, and the record it works on. */
export interface Frame {
  readonly session: Session;
  readonly reporter: Reporter;
  /** The streams, with the colours that the settings ask for. */
  readonly io: Io;
  readonly warn: Warn;
  /** Names the record that an error or a signal must name. */
  readonly noteRecord: (record: TaskRecord) => void;
}

interface FrameOptions {
  readonly form: FormOptions;
  /** Several tasks at a time are shown. */
  readonly isRun?: boolean | undefined;
}

/**
 * Runs a command in a session of its own: every failure becomes a report and an exit code.
 * @returns the exit code
 */
export async function runInFrame(
  context: Context,
  { form, isRun }: FrameOptions,
  action: (frame: Frame) => Promise<number>,
): Promise<number> {
  const early: Parameters<Warn>[] = [];
  let say: Warn = (...warning) => void early.push(warning);
  const opened = await openSession(context, {
    form,
    warn: (...warning) => say(...warning),
  }).catch((error: unknown) => ({ error }));
  const session = 'error' in opened ? undefined : opened;
  const io =
    session === undefined ? context.io : applyColor(context.io, session.settings.hasColor, context.env);
  const bare = await openReporter({ ...context, io }, { form, session, isRun });
  const reporter = session === undefined ? bare : withOwnCommands(bare, session.commands);
  const warn: Warn = (message, code) => reporter.event({ kind: 'warning', code: code ?? 'config', message });
  for (const warning of early) warn(...warning);
  say = warn;
  const known = createKnownRecords();
  context.signals.lastWords = () => {
    const lines = recordLines(known.sent()).map((line) => `${session?.commands.inText(line) ?? line}\n`);
    return lines.length === 0 ? '' : `\nwhat was sent goes on:\n${lines.join('')}`;
  };
  let record: TaskRecord | undefined;
  try {
    if ('error' in opened) throw opened.error;
    const noteRecord = (next: TaskRecord): void => {
      record = next;
      known.note(next);
    };
    const watched = { ...opened, journal: known.watch(opened.journal) };
    const frame = { session: watched, reporter, io, warn, noteRecord };
    return await Promise.race([action(frame), rejectAt(context.stalled)]);
  } catch (error) {
    const shown =
      context.stalled.aborted && error === context.stalled.reason ? stalledError(known.sent()) : error;
    const latest = record && known.latest(record);
    return await reportFailure(context, {
      error: shown,
      reporter,
      record: latest,
      isDebug: form.debug === true,
    });
  } finally {
    context.signals.lastWords = undefined;
    reporter.close();
    await session?.close();
  }
}

function rejectAt(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** The reporter that the flags ask for, and the settings where there are any. */
export function openReporter(
  context: Context,
  { form, session, isRun }: FrameOptions & { readonly session?: Session | undefined },
): Promise<Reporter> {
  const canDraw = context.env.TERM !== 'dumb' && form.debug !== true;
  return createReporter({
    io: context.io,
    clock: context.clock,
    form: formOf(form),
    verbosity: verbosityOf(form),
    hasProgress: canDraw && (form.progress === false ? false : (session?.settings.hasProgress.value ?? true)),
    isCi: isCi(context.env.CI),
    folder: context.cwd,
    isRun,
    onFault: form.debug === true ? (fault) => void context.io.stderr.write(`debug: ${fault}\n`) : undefined,
  });
}

/** Says whether the variable `CI` means yes. */
export function isCi(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0' && value !== 'false';
}

interface Failure {
  readonly error: unknown;
  readonly reporter: Reporter;
  readonly record: TaskRecord | undefined;
  readonly isDebug: boolean;
}

async function reportFailure(
  context: Context,
  { error, reporter, record, isDebug }: Failure,
): Promise<number> {
  if (error instanceof StoppedError) {
    const isSent = record !== undefined && record.state !== 'intent';
    await reporter.stopped(error, {
      taskId: record?.taskId,
      isFinished: record?.state === 'completed',
      localId: isSent ? record.localId : undefined,
      resume: isSent ? resumeCommand(record) : undefined,
    });
    return SIGNAL_EXITS[error.signal];
  }
  const known = isEvolinkError(error) ? error : unexpected(error, record);
  await reporter.error(known);
  if (isDebug && error instanceof Error && error.stack !== undefined)
    await context.io.stderr.write(`${toHumanText(error.stack)}\n`);
  return known.exit;
}

/** A bug. Its own text may hold anything, so only its name and message are shown, and the streams mask secrets. */
export function unexpected(error: unknown, record?: TaskRecord): EvolinkError {
  const text =
    error instanceof Error ? `${error.name}: ${error.message}` : 'something that is no error was thrown';
  return new EvolinkError('internal', `this is a bug in evolink (${text})`, {
    hint: 'run it again with --debug and report what it prints',
    charged: record?.taskId === undefined ? (record?.state === 'sent' ? 'unknown' : 'no') : 'yes',
    taskId: record?.taskId,
    localId: record?.localId,
    ...(record === undefined ? {} : { resume: resumeCommand(record) }),
  });
}
