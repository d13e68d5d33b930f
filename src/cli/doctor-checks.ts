import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { HttpFailure } from '../api/http-failure.ts';
import type { HttpAnswer } from '../api/http-types.ts';
import { proxyFor, proxyName, readProxySettings } from '../api/proxy.ts';
import { toReadError } from '../api/read-answer.ts';
import { formatBytes } from '../download/format-bytes.ts';
import { freeSpace } from '../download/free-space.ts';
import { EvolinkError } from '../errors.ts';
import { ensureFolder } from '../platform/ensure-folder.ts';
import { localIoError } from '../platform/local-io-error.ts';
import { nodeVersion } from '../platform/node-version.ts';
import { parseHttpDate } from '../platform/retry-after.ts';
import { openTempBeside } from '../platform/temp-file.ts';
import type { Context } from './context.ts';
import { createServiceHttp, type Session } from './session.ts';

/** What one look found. A failure is thrown instead, as the error that a command would end with. */
export interface Finding {
  readonly text: string;
  /** Works, but a person should know. */
  readonly isWarning?: boolean;
}

/** Less than this and a long clip in 4k may not fit. */
const LOW_DISK_BYTES = 500 * 1024 * 1024;
/** Links live for 24 h; a clock that is off by more than this makes their end unreliable. */
const CLOCK_SKEW_MS = 2 * 60_000;
const PROBE_BYTES = 65_536;

export function checkNode({ platform }: Context): Finding {
  return { text: `Node.js ${nodeVersion()} on ${platform}` };
}

export function checkConfig({ config }: Session): Finding {
  const { projectPath, userPath, userConfigPath } = config.locations;
  const files = [projectPath, userPath].filter((path) => path !== undefined);
  return { text: files.length > 0 ? `read ${files.join(', ')}` : `no config file (user: ${userConfigPath})` };
}

export function checkTls({ env }: Context): Finding {
  if (env.NODE_TLS_REJECT_UNAUTHORIZED !== '0') return { text: 'certificates are checked' };
  return {
    text: 'NODE_TLS_REJECT_UNAUTHORIZED=0: certificates are not checked, so others on the way could read the key; unset it, and name a private authority in NODE_EXTRA_CA_CERTS',
    isWarning: true,
  };
}

export function checkProxy({ env }: Context, session: Session): Finding {
  const proxy = session.isSandbox ? undefined : proxyFor(new URL(session.baseUrl), readProxySettings(env));
  return { text: proxy === undefined ? 'direct connection' : `through ${proxyName(proxy)}` };
}

/** One request without the key: is the host there, and what time is it there? */
export async function askService(context: Context, session: Session, baseUrl: string): Promise<HttpAnswer> {
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

export function checkClock({ clock }: Context, answer: HttpAnswer): Finding {
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
export async function checkJournal({ stateFolder, journal, commands }: Session): Promise<Finding> {
  await ensureFolder(stateFolder);
  try {
    const probe = await openTempBeside(join(stateFolder, 'probe'), 'probe', { mode: 0o600, isDurable: true });
    await probe.handle.close();
    await unlink(probe.path);
  } catch (error) {
    throw error instanceof EvolinkError ? error : localIoError(error, 'write', stateFolder);
  }
  const { records, strangers } = await journal.readOpen();
  const open =
    records.length === 0
      ? 'nothing is unfinished'
      : commands.inText(`${records.length} unfinished: evolink status`);
  const others = strangers.length === 0 ? '' : `; ${strangers.length} files in it are no records`;
  return { text: `${stateFolder}: writable, ${open}${others}`, isWarning: strangers.length > 0 };
}

export async function checkDisk(context: Context, session: Session): Promise<Finding> {
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
