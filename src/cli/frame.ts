import {
  bugError,
  EvolinkError,
  HINT_OF_BUGS,
  isEvolinkError,
  SIGNAL_EXITS,
  StoppedError,
} from '../errors.ts';
import { askLine } from '../platform/ask.ts';
import type { Context } from '../platform/context.ts';
import type { Io, OutputStream } from '../platform/io.ts';
import { quoteCommand, toHumanPath } from '../platform/text.ts';
import { recordFacts, resumeCommand } from '../task/failures.ts';
import type { Journal } from '../task/journal.ts';
import { isOpen, type TaskRecord } from '../task/record.ts';
import { createReporter, type Reporter } from '../ui/reporter.ts';
import { wrapToWidth } from '../ui/table.ts';
import type { FlagValues } from './flags.ts';
import { formOf } from './form.ts';
import { openSession, type Session, type Warn } from './session.ts';

/** What a command works in: settings, a reporter, and the record it works on. */
export interface Frame {
  readonly context: Context;
  /** The flags that were typed. */
  readonly options: FlagValues;
  readonly session: Session;
  readonly reporter: Reporter;
  /** The streams, with the colours that the settings ask for. */
  readonly io: Io;
  readonly warn: Warn;
  /** Names the record that an error or a signal must name. */
  readonly noteRecord: (record: TaskRecord) => void;
}

/**
 * Runs a command in a session of its own: every failure becomes a report and an exit code.
 * @param options `isRun`: several tasks at a time are shown
 * @returns the exit code
 */
export async function runInFrame(
  context: Context,
  { form, isRun }: { readonly form: FlagValues; readonly isRun?: boolean },
  action: (frame: Frame) => Promise<number>,
): Promise<number> {
  // Warnings come before there is a reporter, whose form the settings decide.
  const early: Parameters<Warn>[] = [];
  let say: Warn = (...warning) => void early.push(warning);
  const warn: Warn = (...warning) => say(...warning);
  const known = createKnownRecords();
  const opening = openSession(context, { form, warn, watch: known.watch });
  const opened = await opening.catch((error: unknown) => ({ error }));
  const session = 'error' in opened ? undefined : opened;
  const io = session === undefined ? context.io : withColor(context, session.settings.hasColor);
  const bare = await openReporter({ ...context, io }, form, session, isRun);
  const reporter = session === undefined ? bare : withOwnCommands(bare, session.commands);
  say = (message, code) => reporter.event({ kind: 'warning', code: code ?? 'config', message });
  for (const warning of early) say(...warning);
  context.signals.lastWords = () => {
    reporter.close();
    const lines = recordLines(known.sent()).map((line) => `${session?.commands.inText(line) ?? line}\n`);
    return lines.length === 0 ? '' : `\nwhat was sent goes on:\n${lines.join('')}`;
  };
  try {
    if ('error' in opened) throw opened.error;
    const { stalled } = context;
    const stalling = new Promise<never>((_, reject) => {
      stalled.addEventListener('abort', () => reject(stalled.reason), { once: true });
    });
    const frame = { context, options: form, session: opened, reporter, io, warn, noteRecord: known.noteOwn };
    return await Promise.race([action(frame), stalling]);
  } catch (error) {
    const record = known.own();
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
    const isStall = context.stalled.aborted && error === context.stalled.reason;
    const shown = isStall ? stalledError(known.sent()) : error;
    const failure = isEvolinkError(shown) ? shown : unexpected(shown, record);
    await reporter.error(failure);
    if (form.debug === true && shown instanceof Error && shown.stack !== undefined)
      await context.io.stderr.write(`${toHumanPath(shown.stack, true)}\n`);
    return failure.exit;
  } finally {
    context.signals.lastWords = undefined;
    reporter.close();
    await session?.close();
  }
}

/**
 * Asks whether to do (`verb`) what may cost something (`warning`, or what `announce` shows in its place).
 * @throws EvolinkError `usage` where nobody can be asked, or the answer is no
 */
export async function confirm(
  frame: Frame,
  question: { finding: string; warning: string; verb: string; announce?: () => void },
): Promise<void> {
  const { finding, warning, verb, announce } = question;
  const isSure = frame.options.yes === true;
  if (!isSure && !canAsk(frame))
    throw new EvolinkError('usage', `${finding}; it needs --yes`, { hint: `add --yes; ${warning}` });
  announce?.();
  if (isSure) return frame.reporter.note(finding);
  const { stderr } = frame.context.io;
  const shown = announce === undefined ? `\n${warning}` : '';
  await stderr.write(`${wrapToWidth(finding, stderr.columns())}${shown}\n`);
  if (!(await isYes(frame, `${verb} it?`)))
    throw new EvolinkError('usage', 'not confirmed; nothing was done');
}

/** Whether there is a person who reads what is written and can answer. */
export function canAsk({ context: { io }, options }: Frame): boolean {
  return io.stdin.isTty && io.stderr.isTty && formOf(options) === 'human';
}

export async function isYes({ context }: Frame, question: string): Promise<boolean> {
  return /^y(es)?$/i.test((await askLine(`${question} [y/N] `, context.signals.signal)).trim());
}

/** A reporter that names commands as they work. */
function withOwnCommands(reporter: Reporter, commands: Session['commands']): Reporter {
  const { inText, inArguments, inError } = commands;
  return {
    ...reporter,
    event: (event) =>
      reporter.event(event.kind === 'warning' ? { ...event, message: inText(event.message) } : event),
    result({ next, warnings, ...result }) {
      return reporter.result({ ...result, next: next && inArguments(next), warnings: warnings.map(inText) });
    },
    print: (name, body, human, error) => reporter.print(name, body, human, error && inError(error)),
    failed: (error) => reporter.failed(inError(error)),
    error: (error) => reporter.error(inError(error)),
    stopped: (error, facts) =>
      reporter.stopped(error, { ...facts, resume: facts.resume && inArguments(facts.resume) }),
  };
}

/**
 * The streams with what the config says of colour. It is weaker than flag and environment, which the streams know
 * already, and stronger than what kind of stream it is.
 */
function withColor({ io, env }: Context, { value, level }: Session['settings']['hasColor']): Io {
  const isDecided = level === 'flag' || Boolean(env.NO_COLOR || env.FORCE_COLOR || env.CLICOLOR_FORCE);
  if (value === undefined || isDecided) return io;
  const change = (stream: OutputStream): OutputStream => ({
    ...stream,
    colorLevel: value ? stream.colorLevel || 1 : 0,
  });
  return { ...io, stdout: change(io.stdout), stderr: change(io.stderr) };
}

/** The reporter that the flags ask for, and the settings where there are any. */
export function openReporter(
  context: Context,
  form: FlagValues,
  session?: Session,
  isRun = false,
): Promise<Reporter> {
  const isDebug = form.debug === true;
  const isWanted = form.progress !== false && (session?.settings.hasProgress.value ?? true);
  const { env, io } = context;
  return createReporter({
    ...context,
    isRun,
    form: formOf(form),
    verbosity: form.quiet === true ? 'quiet' : form.verbose === true || isDebug ? 'verbose' : 'normal',
    hasProgress: isWanted && env.TERM !== 'dumb' && !isDebug && !isCi(env.CI),
    notifies: session?.settings.notifies.value,
    onFault: isDebug ? (fault) => void io.stderr.write(`debug: ${fault}\n`) : undefined,
  });
}

/** Says whether the variable `CI` means yes. */
export function isCi(value: string | undefined): boolean {
  return ![undefined, '', '0', 'false'].includes(value);
}

/** A bug. Its own text may hold anything, so only its name and message are shown, and the streams mask secrets. */
export function unexpected(error: unknown, record?: TaskRecord): EvolinkError {
  return bugError(error, {
    charged: record?.taskId === undefined ? (record?.state === 'sent' ? 'unknown' : 'no') : 'yes',
    ...(record && record.state !== 'intent' && recordFacts(record)),
  });
}

/** The records that this process works on, as they are now: what must be named however it ends. */
function createKnownRecords() {
  const known = new Map<string, TaskRecord>();
  let ownId = '';
  const note = (record: TaskRecord): void => void known.set(record.localId, record);
  return {
    /** Of a command for one clip, its record. */
    noteOwn(record: TaskRecord): void {
      ownId = record.localId;
      note(record);
    },
    own: () => known.get(ownId),
    /** The journal, whose changes are noted by themselves. */
    watch: (journal: Journal): Journal => ({
      ...journal,
      async create(record) {
        await journal.create(record);
        note(record);
      },
      async update(localId, change) {
        const record = known.get(localId);
        // Before it is written, as the answer may be known here alone; but nothing is sent before `sent` is written.
        if (record !== undefined && change.state !== 'sent') note({ ...record, ...change });
        const written = await journal.update(localId, change);
        // Of a run's requests that have ended nothing has to be named, and there may be thousands.
        if (!isOpen(written) && localId !== ownId) known.delete(localId);
        else note(written);
        return written;
      },
    }),
    /** Those that something was sent for, unless it came to nothing: the uncertain ones first. */
    sent: (): readonly TaskRecord[] =>
      ['sent', 'unknown', 'accepted', 'completed', 'saved'].flatMap((state) =>
        [...known.values()].filter((record) => record.state === state),
      ),
  };
}

/** At most so many records are named one by one. */
const MAX_NAMED = 50;

/** One line a record: what it is, and the command that continues it. */
function recordLines(records: readonly TaskRecord[]): readonly string[] {
  const lines = records.slice(0, MAX_NAMED).map((record) => {
    const id = record.taskId === undefined ? `request ${record.localId}` : `task ${record.taskId}`;
    return `${id} (${record.state}): ${quoteCommand(resumeCommand(record))}`;
  });
  const more = records.length - lines.length;
  return more > 0 ? [...lines, `and ${more} more: evolink status`] : lines;
}

/**
 * The program has nothing left to wait for, and has not ended: a promise that never settles. What is sent decides the
 * exit, as money may depend on it.
 */
function stalledError(records: readonly TaskRecord[]): EvolinkError {
  const [worst] = records;
  const what = 'this is a bug in evolink (it waits for something that never comes)';
  if (worst === undefined) return new EvolinkError('internal', what, { hint: HINT_OF_BUGS });
  const isUncertain = worst.taskId === undefined;
  return new EvolinkError(isUncertain ? 'unknown' : 'pending', `${what}; what was sent goes on`, {
    details: recordLines(records),
    charged: isUncertain ? 'unknown' : 'yes',
    ...recordFacts(worst),
  });
}
