import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { toReadError } from '../api/errors.ts';
import { type HttpAnswer, HttpFailure } from '../api/http-types.ts';
import { proxyFor, proxyName, readProxySettings } from '../api/proxy.ts';
import { freeSpace } from '../download/target.ts';
import { EvolinkError, isEvolinkError, SIGNAL_EXITS, StoppedError } from '../errors.ts';
import { parseHttpDate } from '../platform/clock.ts';
import type { Context } from '../platform/context.ts';
import { writeTempBeside } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { localIoError } from '../platform/fs-error.ts';
import { nodeVersion } from '../platform/process.ts';
import { formatBytes, toHumanPath } from '../platform/text.ts';
import type { Reporter } from '../ui/reporter.ts';
import { loadTheme } from '../ui/theme.ts';
import type { FormOptions } from './form.ts';
import { openReporter, unexpected } from './frame.ts';
import { createServiceHttp, openSession, type Session } from './session.ts';

/** What one look found, and for what comes after it. A failure is thrown, as the error that a command would end with. */
interface Finding<T = unknown> {
  readonly text: string;
  /** Works, but a person should know. */
  readonly isWarning?: boolean | undefined;
  readonly value?: T;
}

interface Check {
  readonly name: string;
  readonly verdict: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly text: string;
  readonly hint?: string | undefined;
  readonly exit: number;
}

/** Less than this and a long clip in 4k may not fit. */
const LOW_DISK_BYTES = 500 * 1024 * 1024;
/** Links live for 24 h; a clock that is off by more than this makes their end unreliable. */
const CLOCK_SKEW_MS = 2 * 60_000;
const PROBE_BYTES = 65_536;

function checkTls({ env }: Context): Finding {
  if (env.NODE_TLS_REJECT_UNAUTHORIZED !== '0') return { text: 'certificates are checked' };
  return {
    text: 'NODE_TLS_REJECT_UNAUTHORIZED=0: certificates are not checked, so others could read the key; unset it, and name a private authority in NODE_EXTRA_CA_CERTS',
    isWarning: true,
  };
}

function describeConfigFiles({ config }: Session): string {
  const { projectPath, userPath, userConfigPath } = config.locations;
  const files = [projectPath, userPath].filter((path) => path !== undefined);
  return files.length > 0 ? `read ${files.join(', ')}` : `no config file (user: ${userConfigPath})`;
}

function checkProxy({ env }: Context, { isSandbox, baseUrl }: Session): Finding<true> {
  const proxy = isSandbox ? undefined : proxyFor(new URL(baseUrl), readProxySettings(env));
  return { text: proxy === undefined ? 'direct connection' : `through ${proxyName(proxy)}`, value: true };
}

/** One request without the key: is the host there, and what time is it there? */
async function askService(context: Context, session: Session, baseUrl: string): Promise<Finding<HttpAnswer>> {
  const http = createServiceHttp(context, session.settings);
  try {
    const url = `${baseUrl}/v1/credits`;
    const { signal } = context.signals;
    const value = await http.request({ method: 'GET', url, maxBytes: PROBE_BYTES, signal });
    return { text: `${baseUrl} answers (HTTP ${value.status} without a key)`, value };
  } catch (error) {
    throw error instanceof HttpFailure ? toReadError(error) : error;
  } finally {
    http.close();
  }
}

function checkClock({ clock }: Context, answer: HttpAnswer): Finding {
  const serverMs = parseHttpDate(answer.headers.date ?? '');
  if (serverMs === undefined) return { text: 'the service sent no date', isWarning: true };
  const seconds = Math.round((clock.now() - serverMs) / 1000);
  if (Math.abs(seconds) * 1000 < CLOCK_SKEW_MS) return { text: 'agrees with the service' };
  const direction = seconds > 0 ? 'ahead of' : 'behind';
  return {
    text: `this machine is ${Math.abs(seconds)} s ${direction} the service; set its clock, as links expire after 24 h`,
    isWarning: true,
  };
}

/** @throws EvolinkError `local-io` when no record could be written */
async function checkJournal({ stateFolder, journal, commands }: Session): Promise<Finding> {
  await ensureFolder(stateFolder);
  try {
    await unlink(await writeTempBeside(join(stateFolder, 'probe'), 'probe'));
  } catch (error) {
    throw error instanceof EvolinkError ? error : localIoError(error, 'write', stateFolder);
  }
  const { records, unusable } = await journal.readOpen();
  const open =
    records.length === 0
      ? 'nothing is unfinished'
      : commands.inText(`${records.length} unfinished: evolink status`);
  const others = unusable.length === 0 ? '' : `; ${unusable.length} files in it are not records`;
  return { text: `${stateFolder}: writable, ${open}${others}`, isWarning: unusable.length > 0 };
}

async function checkDisk(context: Context, session: Session): Promise<Finding> {
  const folders = [...new Set([context.cwd, session.stateFolder])];
  const rooms = await Promise.all(
    folders.map(async (folder) => ({ folder, bytes: await freeSpace(folder) })),
  );
  const text = rooms.map(
    ({ folder, bytes }) => `${folder}: ${bytes === undefined ? 'unknown' : `${formatBytes(bytes)} free`}`,
  );
  return {
    text: text.join(', '),
    isWarning: rooms.some(({ bytes }) => (bytes ?? LOW_DISK_BYTES) < LOW_DISK_BYTES),
  };
}

/** `evolink doctor`: everything that can be wrong, in the order in which a command would meet it. */
export async function runDoctor(context: Context, options: FormOptions): Promise<number> {
  const reporter = await openReporter(context, { form: options });
  const checks: Check[] = [];
  try {
    await examine(context, options, checks);
    await show(context, reporter, checks);
    return checks.find(({ verdict }) => verdict === 'failed')?.exit ?? 0;
  } catch (error) {
    if (!(error instanceof StoppedError)) throw error;
    await reporter.stopped(error, {});
    return SIGNAL_EXITS[error.signal];
  }
}

async function examine(context: Context, options: FormOptions, checks: Check[]): Promise<void> {
  const look = async <T>(name: string, action: () => Promise<Finding<T>> | Finding<T>) => {
    try {
      const { text, isWarning, value } = await action();
      checks.push({ name, verdict: isWarning === true ? 'warning' : 'ok', text, exit: 0 });
      return value;
    } catch (error) {
      if (error instanceof StoppedError) throw error;
      checks.push(toFailure(name, isEvolinkError(error) ? error : unexpected(error)));
      return undefined;
    }
  };
  const skip = (name: string, text: string): void =>
    void checks.push({ name, verdict: 'skipped', text, exit: 0 });
  await look('node', () => ({ text: `Node.js ${nodeVersion()} on ${context.platform}` }));
  await look('tls', () => checkTls(context));
  const warnings: string[] = [];
  const session = await look('config', async () => {
    const value = await openSession(context, { form: options, warn: (text) => void warnings.push(text) });
    return { text: describeConfigFiles(value), value };
  });
  if (session === undefined) skip('the rest', 'needs a valid configuration');
  else {
    try {
      await examineService(context, session, { look, skip });
      await look('records', () => checkJournal(session));
      await look('disk', () => checkDisk(context, session));
    } finally {
      await session.close();
    }
  }
  for (const text of warnings) await look('config', () => ({ text, isWarning: true }));
}

interface Looks {
  readonly look: <T>(name: string, action: () => Promise<Finding<T>> | Finding<T>) => Promise<T | undefined>;
  readonly skip: (name: string, reason: string) => void;
}

/** Key, proxy, host and clock. The host is asked without a key as well: a missing key and a dead network are two things. */
async function examineService(context: Context, session: Session, { look, skip }: Looks): Promise<void> {
  const service = await look('key', async () => {
    const value = await session.connect();
    return { text: session.isSandbox ? 'that of the sandbox' : 'found, and well-formed', value };
  });
  const route = await look('proxy', () => checkProxy(context, session));
  const baseUrl = service?.api.baseUrl ?? (session.isSandbox ? undefined : session.baseUrl);
  if (baseUrl === undefined || route === undefined) return skip('service', 'needs the checks above');
  const answer = await look('service', () => askService(context, session, baseUrl));
  if (answer === undefined) return skip('account', 'needs the service');
  await look('clock', () => checkClock(context, answer));
  if (service === undefined) return skip('account', 'needs a key');
  await look('account', async () => {
    const { spendable } = await service.api.getCredits(context.signals.signal);
    const credits = spendable === undefined ? '' : `, ${spendable} credits to spend`;
    return { text: `the key is accepted${credits}`, isWarning: spendable !== undefined && spendable <= 0 };
  });
}

function toFailure(name: string, error: EvolinkError): Check {
  const { hint } = error.facts;
  // Many errors name this very command.
  const isCircular = hint?.includes('evolink doctor') === true;
  const { message: text, exit } = error;
  return { name, verdict: 'failed', text, hint: isCircular ? undefined : hint, exit };
}

async function show({ io }: Context, reporter: Reporter, checks: readonly Check[]): Promise<void> {
  const theme = await loadTheme(io.stdout, io.isUnicode);
  const colors: Readonly<Record<Check['verdict'], (text: string) => string>> = {
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
