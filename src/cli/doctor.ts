import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { toReadError } from '../api/errors.ts';
import { type HttpAnswer, HttpFailure } from '../api/http-types.ts';
import { proxyFor, proxyName, readProxySettings } from '../api/proxy.ts';
import { freeSpace } from '../download/target.ts';
import { EvolinkError, isEvolinkError, SIGNAL_EXITS, StoppedError } from '../errors.ts';
import { parseHttpDate } from '../platform/clock.ts';
import { toHumanPath } from '../platform/command-text.ts';
import type { Context } from '../platform/context.ts';
import { openTempBeside } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { formatBytes } from '../platform/format-bytes.ts';
import { localIoError } from '../platform/fs-error.ts';
import { nodeVersion } from '../platform/process.ts';
import type { Reporter } from '../ui/reporter.ts';
import { loadTheme } from '../ui/theme.ts';
import type { FormOptions } from './form.ts';
import { openReporter, unexpected } from './frame.ts';
import { createServiceHttp, openSession, type Session } from './session.ts';

/** What one look found. A failure is thrown instead, as the error that a command would end with. */
interface Finding {
  readonly text: string;
  /** Works, but a person should know. */
  readonly isWarning?: boolean;
}

/** Less than this and a long clip in 4k may not fit. */
const LOW_DISK_BYTES = 500 * 1024 * 1024;
/** Links live for 24 h; a clock that is off by more than this makes their end unreliable. */
const CLOCK_SKEW_MS = 2 * 60_000;
const PROBE_BYTES = 65_536;

function checkNode({ platform }: Context): Finding {
  return { text: `Node.js ${nodeVersion()} on ${platform}` };
}

function checkConfig({ config }: Session): Finding {
  const { projectPath, userPath, userConfigPath } = config.locations;
  const files = [projectPath, userPath].filter((path) => path !== undefined);
  return { text: files.length > 0 ? `read ${files.join(', ')}` : `no config file (user: ${userConfigPath})` };
}

function checkTls({ env }: Context): Finding {
  if (env.NODE_TLS_REJECT_UNAUTHORIZED !== '0') return { text: 'certificates are checked' };
  return {
    text: 'NODE_TLS_REJECT_UNAUTHORIZED=0: certificates are not checked, so others on the way could read the key; unset it, and name a private authority in NODE_EXTRA_CA_CERTS',
    isWarning: true,
  };
}

function checkProxy({ env }: Context, session: Session): Finding {
  const proxy = session.isSandbox ? undefined : proxyFor(new URL(session.baseUrl), readProxySettings(env));
  return { text: proxy === undefined ? 'direct connection' : `through ${proxyName(proxy)}` };
}

/** One request without the key: is the host there, and what time is it there? */
async function askService(context: Context, session: Session, baseUrl: string): Promise<HttpAnswer> {
  const http = createServiceHttp(context, session.settings);
  try {
    const url = `${baseUrl}/v1/credits`;
    return await http.request({ method: 'GET', url, maxBytes: PROBE_BYTES, signal: context.signals.signal });
  } catch (error) {
    throw error instanceof HttpFailure ? toReadError(error) : error;
  } finally {
    http.close();
  }
}

function checkClock({ clock }: Context, answer: HttpAnswer): Finding {
  const serverMs = parseHttpDate(answer.headers.date ?? '');
  if (serverMs === undefined) return { text: 'the service did not say what time it is', isWarning: true };
  const seconds = Math.round((clock.now() - serverMs) / 1000);
  if (Math.abs(seconds) * 1000 < CLOCK_SKEW_MS) return { text: 'agrees with the service' };
  const direction = seconds > 0 ? 'ahead of' : 'behind';
  return {
    text: `this machine is ${Math.abs(seconds)} s ${direction} the service; set its clock, as links live for 24 h only`,
    isWarning: true,
  };
}

/** @throws EvolinkError `local-io` when no record could be written */
async function checkJournal({ stateFolder, journal, commands }: Session): Promise<Finding> {
  await ensureFolder(stateFolder);
  try {
    const probe = await openTempBeside(join(stateFolder, 'probe'), 'probe', { mode: 0o600, isDurable: true });
    await probe.handle.close();
    await unlink(probe.path);
  } catch (error) {
    throw error instanceof EvolinkError ? error : localIoError(error, 'write', stateFolder);
  }
  const { records, unusable } = await journal.readOpen();
  const open =
    records.length === 0
      ? 'nothing is unfinished'
      : commands.inText(`${records.length} unfinished: evolink status`);
  const others = unusable.length === 0 ? '' : `; ${unusable.length} files in it are no records`;
  return { text: `${stateFolder}: writable, ${open}${others}`, isWarning: unusable.length > 0 };
}

async function checkDisk(context: Context, session: Session): Promise<Finding> {
  const folders = [...new Set([context.cwd, session.stateFolder])];
  const rooms = await Promise.all(
    folders.map(async (folder) => ({ folder, bytes: await freeSpace(folder) })),
  );
  const text = rooms.map(
    ({ folder, bytes }) => `${folder}: ${bytes === undefined ? 'not known' : `${formatBytes(bytes)} free`}`,
  );
  return {
    text: text.join(', '),
    isWarning: rooms.some(({ bytes }) => (bytes ?? LOW_DISK_BYTES) < LOW_DISK_BYTES),
  };
}

type Verdict = 'ok' | 'warning' | 'failed' | 'skipped';

interface Check {
  readonly name: string;
  readonly verdict: Verdict;
  readonly text: string;
  readonly hint?: string | undefined;
  readonly exit: number;
}

/** Gathers the checks; the value of one that succeeded is handed on to those that build on it. */
interface Examination {
  readonly checks: Check[];
  look<T>(
    name: string,
    action: () => Promise<T> | T,
    describe: (value: T) => Finding,
  ): Promise<T | undefined>;
  note(name: string, finding: Finding): void;
  skip(name: string, reason: string): void;
}

/** `evolink doctor`: everything that can be wrong, in the order in which a command would meet it. */
export async function runDoctor(context: Context, options: FormOptions): Promise<number> {
  const reporter = await openReporter(context, { form: options });
  try {
    const checks = await examine(context, options);
    await show(context, reporter, checks);
    return checks.find(({ verdict }) => verdict === 'failed')?.exit ?? 0;
  } catch (error) {
    if (!(error instanceof StoppedError)) throw error;
    await reporter.stopped(error, {});
    return SIGNAL_EXITS[error.signal];
  }
}

async function examine(context: Context, options: FormOptions): Promise<readonly Check[]> {
  const exam = createExamination();
  await exam.look('node', () => checkNode(context), itself);
  await exam.look('tls', () => checkTls(context), itself);
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const session = await exam.look('config', () => openSession(context, { form: options, warn }), checkConfig);
  if (session === undefined) exam.skip('the rest', 'needs a configuration that can be read');
  else {
    try {
      await examineService(context, session, exam);
      await exam.look('records', () => checkJournal(session), itself);
      await exam.look('disk', () => checkDisk(context, session), itself);
    } finally {
      await session.close();
    }
  }
  for (const text of warnings) exam.note('config', { text, isWarning: true });
  return exam.checks;
}

/** Key, proxy, host and clock. The host is asked without a key as well: a missing key and a dead network are two things. */
async function examineService(context: Context, session: Session, exam: Examination): Promise<void> {
  const service = await exam.look(
    'key',
    () => session.connect(),
    () => ({ text: session.isSandbox ? 'that of the sandbox' : 'found, and well-formed' }),
  );
  const route = await exam.look('proxy', () => checkProxy(context, session), itself);
  const baseUrl = service?.api.baseUrl ?? (session.isSandbox ? undefined : session.baseUrl);
  if (baseUrl === undefined || route === undefined)
    return exam.skip('service', 'what comes before it must work');
  const answer = await exam.look(
    'service',
    () => askService(context, session, baseUrl),
    ({ status }) => ({ text: `${baseUrl} answers (HTTP ${status} without a key)` }),
  );
  if (answer === undefined) return exam.skip('account', 'the service was not reached');
  await exam.look('clock', () => checkClock(context, answer), itself);
  if (service === undefined) return exam.skip('account', 'needs a key');
  await exam.look(
    'account',
    () => service.api.getCredits(context.signals.signal),
    ({ spendable }) => ({
      text:
        spendable === undefined
          ? 'the key is accepted'
          : `the key is accepted, ${spendable} credits to spend`,
      isWarning: spendable !== undefined && spendable <= 0,
    }),
  );
}

function itself(finding: Finding): Finding {
  return finding;
}

function createExamination(): Examination {
  const checks: Check[] = [];
  const note = (name: string, { text, isWarning = false }: Finding): void =>
    void checks.push({ name, verdict: isWarning ? 'warning' : 'ok', text, exit: 0 });
  return {
    checks,
    note,
    skip: (name, reason) => void checks.push({ name, verdict: 'skipped', text: reason, exit: 0 }),
    async look(name, action, describe) {
      try {
        const value = await action();
        note(name, describe(value));
        return value;
      } catch (error) {
        if (error instanceof StoppedError) throw error;
        const known = isEvolinkError(error) ? error : unexpected(error);
        checks.push(toFailure(name, known));
        return undefined;
      }
    },
  };
}

function toFailure(name: string, error: EvolinkError): Check {
  const { hint } = error.facts;
  // Many errors say to come here; who is here needs to hear nothing.
  const isCircular = hint?.includes('evolink doctor') === true;
  return {
    name,
    verdict: 'failed',
    text: error.message,
    hint: isCircular ? undefined : hint,
    exit: error.exit,
  };
}

async function show({ io }: Context, reporter: Reporter, checks: readonly Check[]): Promise<void> {
  const theme = await loadTheme(io.stdout, io.isUnicode);
  const colors: Readonly<Record<Verdict, (text: string) => string>> = {
    ok: theme.success,
    warning: theme.warning,
    failed: theme.error,
    skipped: theme.dim,
  };
  const lines = checks.flatMap(({ name, verdict, text, hint }) => [
    `${colors[verdict](verdict.padEnd(8))} ${name.padEnd(9)} ${toHumanPath(text)}\n`,
    ...(hint === undefined ? [] : [`${' '.repeat(19)}${theme.accent('hint:')} ${toHumanPath(hint)}\n`]),
  ]);
  const ok = checks.every(({ verdict }) => verdict !== 'failed');
  const rows = checks.map((check) => ({ ...check, hint: check.hint ?? null }));
  await reporter.print('doctor', { ok, checks: rows }, lines.join(''));
}
