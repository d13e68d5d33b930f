import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { toReadError } from '../api/errors.ts';
import { HttpFailure } from '../api/http.ts';
import { hostAndPort, proxyFor, readProxySettings } from '../api/proxy.ts';
import { freeSpace } from '../download/target.ts';
import { isEvolinkError, SIGNAL_EXITS, StoppedError } from '../errors.ts';
import { parseHttpDate } from '../platform/clock.ts';
import type { Context } from '../platform/context.ts';
import { writeTempBeside } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { localIoError } from '../platform/fs-error.ts';
import { nodeVersion } from '../platform/process.ts';
import { formatBytes, toHumanPath } from '../platform/text.ts';
import type { DocumentBody } from '../ui/documents.ts';
import type { Reporter } from '../ui/reporter.ts';
import { wrapToWidth } from '../ui/table.ts';
import { loadTheme } from '../ui/theme.ts';
import type { Invocation } from './flags.ts';
import { openReporter, unexpected } from './frame.ts';
import { createServiceHttp, openSession, type Session } from './session.ts';

type Check = DocumentBody<'doctor'>['checks'][number];

/** Less than this and a long clip in 4k may not fit. */
const LOW_DISK_BYTES = 500 * 1024 * 1024;
/** Links live for 24 h; a clock that is off by more than this makes their end unreliable. */
const CLOCK_SKEW_MS = 2 * 60_000;
const PROBE_BYTES = 65_536;

const NO_TLS_CHECK =
  'NODE_TLS_REJECT_UNAUTHORIZED=0: certificates are not checked, so others could read the key; unset it, and name a private authority in NODE_EXTRA_CA_CERTS';

/** Notes what was found. */
type Note = (text: string, verdict?: Check['verdict']) => void;

/** `evolink doctor`: everything that can be wrong, in the order in which a command would meet it. */
export async function runDoctor({ context, options }: Invocation): Promise<number> {
  const reporter = await openReporter(context, options);
  const checks: Check[] = [];
  /** Looks at one thing; a failure, which is thrown, becomes a check as well. @returns undefined after a failure */
  const look = async <T>(name: string, action: (note: Note) => Promise<T> | T): Promise<T | undefined> => {
    try {
      return await action((text, verdict = 'ok') => {
        checks.push({ name, verdict, text, hint: null, exit: 0 });
      });
    } catch (error) {
      if (error instanceof StoppedError) throw error;
      const { message, exit, facts } = isEvolinkError(error) ? error : unexpected(error);
      const text = [message, facts.details?.join('; ')].filter((part) => part).join(': ');
      // Many errors name this very command.
      const hint = facts.hint?.includes('evolink doctor') === true ? null : (facts.hint ?? null);
      checks.push({ name, verdict: 'failed', text, hint, exit });
      return undefined;
    }
  };
  const skip = (name: string, reason: string) => look(name, (note) => note(reason, 'skipped'));

  /** Key, proxy, host and clock. The host is asked without a key as well: a missing key and a dead network are two things. */
  const examineService = async ({ isSandbox, settings, connect, ...session }: Session) => {
    const { signal } = context.signals;
    const service = await look('key', async (note) => {
      const connected = await connect();
      note(isSandbox ? 'that of the sandbox' : 'found, and well-formed');
      return connected;
    });
    const isReachable = await look('proxy', (note) => {
      const proxy = isSandbox
        ? undefined
        : proxyFor(new URL(session.baseUrl), readProxySettings(context.env));
      note(proxy === undefined ? 'direct connection' : `through ${hostAndPort(proxy)}`);
      return true;
    });
    const baseUrl = service?.api.baseUrl ?? (isSandbox ? undefined : session.baseUrl);
    if (baseUrl === undefined || isReachable !== true) return skip('service', 'needs the checks above');
    const answer = await look('service', async (note) => {
      const http = createServiceHttp(context, settings);
      try {
        const url = `${baseUrl}/v1/credits`;
        const found = await http.request({ method: 'GET', url, maxBytes: PROBE_BYTES, signal });
        note(`${baseUrl} answers (HTTP ${found.status} without a key)`);
        return found;
      } catch (error) {
        throw error instanceof HttpFailure ? toReadError(error) : error;
      } finally {
        http.close();
      }
    });
    if (answer === undefined) return skip('account', 'needs the service');
    await look('clock', (note) => checkClock(context.clock.now(), answer.headers.date, note));
    if (service === undefined) return skip('account', 'needs a key');
    await look('account', async (note) => {
      const { spendable } = await service.api.getCredits(signal);
      const credits = spendable === undefined ? '' : `, ${spendable} credits to spend`;
      note(`the key is accepted${credits}`, spendable !== undefined && spendable <= 0 ? 'warning' : 'ok');
    });
  };

  try {
    await look('node', (note) => note(`Node.js ${nodeVersion()} on ${context.platform}`));
    await look('tls', (note) =>
      context.env.NODE_TLS_REJECT_UNAUTHORIZED === '0'
        ? note(NO_TLS_CHECK, 'warning')
        : note('certificates are checked'),
    );
    const warnings: string[] = [];
    const session = await look('config', async (note) => {
      const opened = await openSession(context, { form: options, warn: (text) => void warnings.push(text) });
      const { projectPath, userPath, userConfigPath } = opened.config.locations;
      const files = [projectPath, userPath].filter((path) => path !== undefined);
      note(files.length > 0 ? `read ${files.join(', ')}` : `no config file (user: ${userConfigPath})`);
      return opened;
    });
    if (session === undefined) await skip('the rest', 'needs a valid configuration');
    else {
      try {
        await examineService(session);
        await look('records', (note) => checkJournal(session, note));
        await look('disk', (note) => checkDisk([context.cwd, session.stateFolder], note));
      } finally {
        await session.close();
      }
    }
    for (const text of warnings) await look('config', (note) => note(text, 'warning'));
    await show(context, reporter, checks);
    return checks.find(({ verdict }) => verdict === 'failed')?.exit ?? 0;
  } catch (error) {
    if (!(error instanceof StoppedError)) throw error;
    await reporter.stopped(error, {});
    return SIGNAL_EXITS[error.signal];
  }
}

function checkClock(nowMs: number, date: string | undefined, note: Note): void {
  const serverMs = parseHttpDate(date ?? '');
  const seconds = Math.round((nowMs - (serverMs ?? nowMs)) / 1000);
  const off = `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} the service`;
  if (serverMs === undefined) note('the service sent no date', 'warning');
  else if (Math.abs(seconds) * 1000 < CLOCK_SKEW_MS) note('agrees with the service');
  else note(`this machine is ${off}; set its clock, as links expire after 24 h`, 'warning');
}

/** @throws EvolinkError `local-io` when no record could be written */
async function checkJournal({ stateFolder, journal, commands }: Session, note: Note): Promise<void> {
  try {
    await ensureFolder(stateFolder);
    await unlink(await writeTempBeside(join(stateFolder, 'probe'), 'probe'));
  } catch (error) {
    throw localIoError(error, 'write', stateFolder);
  }
  const { records, unusable } = await journal.readOpen();
  const unfinished = commands.inText(`${records.length} unfinished: evolink status`);
  const open = records.length === 0 ? 'nothing is unfinished' : unfinished;
  const others = unusable.length === 0 ? '' : `; ${unusable.length} files in it are not records`;
  note(`${stateFolder}: writable, ${open}${others}`, unusable.length > 0 ? 'warning' : 'ok');
}

function checkDisk(folders: readonly string[], note: Note): void {
  const rooms = [...new Set(folders)].map((folder) => ({ folder, bytes: freeSpace(folder) }));
  const texts = rooms.map(
    ({ folder, bytes }) => `${folder}: ${bytes === undefined ? 'unknown' : `${formatBytes(bytes)} free`}`,
  );
  const isLow = rooms.some(({ bytes = LOW_DISK_BYTES }) => bytes < LOW_DISK_BYTES);
  note(texts.join(', '), isLow ? 'warning' : 'ok');
}

async function show({ io }: Context, reporter: Reporter, checks: readonly Check[]): Promise<void> {
  const { success: ok, accent, ...theme } = await loadTheme(io.stdout, io.isUnicode);
  const colors = { ok, warning: theme.warning, failed: theme.error, skipped: theme.dim };
  const indent = ' '.repeat(19);
  const width = io.stdout.isTty ? io.stdout.columns() - indent.length : Number.POSITIVE_INFINITY;
  const wrap = (text: string) => wrapToWidth(toHumanPath(text), width).replaceAll(/\n */g, `\n${indent}`);
  const lines = checks.map(({ name, verdict, text, hint }) => {
    const line = `${colors[verdict](verdict.padEnd(8))} ${name.padEnd(9)} ${wrap(text)}\n`;
    return hint === null ? line : `${line}${indent}${accent('hint:')} ${toHumanPath(hint)}\n`;
  });
  const isOk = checks.every(({ verdict }) => verdict !== 'failed');
  await reporter.print('doctor', { ok: isOk, checks: [...checks] }, lines.join(''));
}
