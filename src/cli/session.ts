import { join } from 'node:path';
import type { ApiClient } from '../api/answers.ts';
import { createApiClient, createLazyHttp } from '../api/client.ts';
import { createFilesClient, type FilesClient } from '../api/files.ts';
import type { Http } from '../api/http-types.ts';
import { createLinkClient } from '../api/links.ts';
import { readProxySettings } from '../api/proxy.ts';
import { type ApiKeyPlace, locateApiKey, resolveApiKey } from '../config/api-key.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { DEFAULT_DOWNLOAD_LIMITS, type DownloadLimits, type LinkClient } from '../config/output-pattern.ts';
import type { ResolvedConfig } from '../config/resolve.ts';
import type { SandboxAddresses } from '../config/trust.ts';
import { serviceOf, type TrustedHosts, trustHosts, withSandbox } from '../config/trust.ts';
import type { UploadDependencies } from '../media/upload.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import type { Context } from '../platform/context.ts';
import { createTempSweeper } from '../platform/durable-file.ts';
import { configFolder, ensureFolder } from '../platform/folders.ts';
import { runCommand } from '../platform/process.ts';
import type { EmitEvent, GenerateDependencies } from '../task/events.ts';
import { createJournal, type Journal } from '../task/journal.ts';
import { createTaskPoller } from '../task/poll.ts';
import type { TaskRecord } from '../task/record.ts';
import { settingFlags } from './flags.ts';
import { type FormOptions, statePlace } from './form.ts';
import { createOwnCommands, type OwnCommands } from './own-commands.ts';

/** What the service is reached with: made when a command first needs it, as it needs a key. */
interface Service {
  readonly api: ApiClient;
  readonly links: LinkClient;
  readonly files: FilesClient;
}

/** Settings and the doors to the outside, for the length of one command. */
export interface Session {
  readonly settings: ResolvedConfig;
  readonly config: LoadedConfig;
  /** Where the key would be taken from; it is read by `connect` alone. */
  readonly keyPlace: ApiKeyPlace | undefined;
  readonly isSandbox: boolean;
  /** Makes the commands that a text names work as they stand; reporters of the frame do so by themselves. */
  readonly commands: OwnCommands;
  readonly journal: Journal;
  readonly limits: DownloadLimits;
  readonly stateFolder: string;
  readonly lockWaitMs: number;
  /** Where requests go, known without a key. */
  readonly baseUrl: string;
  /** As `serviceOf`; undefined in the sandbox too, whose records are kept apart and whose address is always new. */
  readonly service: string | undefined;
  /** Says whether a record is of that service: only there its task is known. */
  readonly isOwn: (record: TaskRecord) => boolean;
  /** Media and callbacks on loopback are of use only to an API on loopback. */
  readonly isLoopbackApi: boolean;
  /** @throws EvolinkError `auth` without a usable key */
  connect(): Promise<Service>;
  /** Fetches media that anybody may fetch; needs no key. In the sandbox it stays on this machine. */
  openMediaLinks(): LinkClient;
  close(): Promise<void>;
}

export interface SessionOptions {
  readonly form: FormOptions;
  readonly warn: Warn;
}

/** `trust`: about what somebody else could have written or can read; shown with `--quiet` too. */
export type Warn = (message: string, code?: 'trust') => void;

const TERMINAL_LOCK_WAIT_MS = 10_000;

/**
 * Reads the configuration and prepares what a command may need; nothing is contacted and no key is read yet.
 * @throws EvolinkError `usage` for a wrong configuration
 */
export async function openSession(context: Context, { form, warn }: SessionOptions): Promise<Session> {
  const { env, cwd, home, platform, userId } = context;
  const config = await loadConfig({
    cwd,
    home,
    env,
    configFolder: configFolder(env, platform, home),
    userId,
    flags: settingFlags(form),
  });
  for (const warning of config.warnings) warn(warning);
  for (const warning of config.trustWarnings) warn(warning, 'trust');
  const { folder, isSandbox } = statePlace(context, form);
  const { clock, host, pid } = context;
  const keyPlace = locateApiKey({ ...config, env, cwd });
  const hosts = isSandbox ? undefined : trustHosts(config.hosts, keyPlace);
  for (const warning of hosts?.warnings ?? []) warn(warning, 'trust');
  const closers: (() => Promise<void> | void)[] = [];
  const settings =
    hosts === undefined
      ? config.settings
      : { ...config.settings, baseUrl: hosts.baseUrl, filesUrl: hosts.filesUrl };
  const isLoopbackApi = hosts === undefined || isLoopbackHost(new URL(hosts.baseUrl.value).hostname);
  const service = hosts === undefined ? undefined : serviceOf(hosts.baseUrl.value);
  let connected: Promise<Service> | undefined;
  const open = (): Promise<Service> =>
    hosts === undefined
      ? connectSandbox(context, { config, folder, closers })
      : connectService(context, { config, hosts, warn, closers });
  return {
    settings,
    config,
    keyPlace,
    isSandbox,
    commands: createOwnCommands({ isSandbox }),
    journal: createJournal({ folder, clock, host, pid, userId }),
    limits: limitsOf(settings),
    stateFolder: folder,
    lockWaitMs: settings.lockTimeoutMs.value ?? (context.io.stderr.isTty ? TERMINAL_LOCK_WAIT_MS : 0),
    baseUrl: hosts?.baseUrl.value ?? 'http://127.0.0.1',
    service,
    isOwn: ({ apiBaseUrl }) => isSandbox || serviceOf(apiBaseUrl) === service,
    isLoopbackApi,
    connect: () => {
      connected ??= open();
      return connected;
    },
    openMediaLinks: () => {
      const http = createServiceHttp(context, settings);
      closers.push(() => http.close());
      return createLinkClient({ http, allowLoopback: isLoopbackApi, onlyLoopback: isLoopbackApi });
    },
    close: async () => {
      for (const close of closers.reverse()) await close();
    },
  };
}

function limitsOf(settings: ResolvedConfig): DownloadLimits {
  return {
    ...DEFAULT_DOWNLOAD_LIMITS,
    idleTimeoutMs: settings.idleTimeoutMs.value,
    minBytesPerSecond: settings.minBytesPerSecond.value,
    maxSizeBytes: settings.maxSizeBytes.value,
  };
}

interface Connection {
  readonly config: LoadedConfig;
  readonly closers: (() => Promise<void> | void)[];
}

async function connectService(
  context: Context,
  { config, hosts, warn, closers }: Connection & { readonly hosts: TrustedHosts; readonly warn: Warn },
): Promise<Service> {
  if (hosts.refusal !== undefined) throw hosts.refusal;
  const { apiKey, warnings } = await resolveApiKey({
    env: context.env,
    cwd: context.cwd,
    userFile: config.userFile,
    projectFile: config.projectFile,
    userConfigPath: config.locations.userConfigPath,
    userId: context.userId,
    run: runCommand,
  });
  context.secrets.add(apiKey.reveal());
  for (const warning of warnings) warn(warning, 'trust');
  return wire(context, {
    config,
    closers,
    baseUrl: hosts.baseUrl.value,
    filesUrl: filesUrlOf(hosts),
    apiKey: apiKey.reveal(),
  });
}

async function connectSandbox(
  context: Context,
  { config, folder, closers }: Connection & { readonly folder: string },
): Promise<Service> {
  const sandbox = await startEmbeddedSandbox(context, folder);
  closers.push(sandbox.close);
  const { settings, apiKey } = withSandbox(config.settings, sandbox);
  return wire(context, {
    config,
    closers,
    baseUrl: settings.baseUrl.value,
    filesUrl: settings.filesUrl.value,
    apiKey: apiKey.reveal(),
  });
}

/** An API on this machine has its uploads here too, unless a place is named: nothing of it belongs to the service. */
function filesUrlOf({ baseUrl, filesUrl }: TrustedHosts): string {
  const isLocalApi = isLoopbackHost(new URL(baseUrl.value).hostname);
  return isLocalApi && filesUrl.level === 'built-in' ? baseUrl.value : filesUrl.value;
}

interface Access {
  readonly baseUrl: string;
  readonly filesUrl: string;
  readonly apiKey: string;
}

function wire(
  context: Context,
  { config, closers, baseUrl, filesUrl, apiKey }: Connection & Access,
): Service {
  const http = createServiceHttp(context, config.settings);
  closers.push(() => http.close());
  const allowLoopback = isLoopbackHost(new URL(baseUrl).hostname);
  const { clock } = context;
  const api = createApiClient({ http, baseUrl, apiKey, clock });
  const readsPerMinute = config.settings.readsPerMinute.value;
  return {
    api: { ...api, ...createTaskPoller({ api, clock, readsPerMinute }) },
    links: createLinkClient({ http, allowLoopback }),
    files: createFilesClient({ http, baseUrl: filesUrl, apiKey, clock: context.clock }),
  };
}

/** The way to the service: with the time limits of the settings, and through the proxy of the environment. */
export function createServiceHttp(context: Context, settings: ResolvedConfig): Http {
  return createLazyHttp({
    userAgent: `evolink-cli/${context.version}`,
    timeouts: {
      connectMs: settings.connectTimeoutMs.value,
      responseMs: settings.responseTimeoutMs.value,
      idleMs: settings.idleTimeoutMs.value,
    },
    proxy: readProxySettings(context.env),
    clock: context.clock,
  });
}

/** What the use cases are given; connects to the service. @throws EvolinkError `auth` without a usable key */
export async function createDependencies(
  context: Context,
  session: Session,
  emit: EmitEvent,
): Promise<GenerateDependencies> {
  const { api, links } = await session.connect();
  const { settings } = session;
  return {
    api,
    service: session.service,
    links,
    journal: session.journal,
    clock: context.clock,
    emit,
    stdout: context.io.stdout,
    limits: session.limits,
    submitWindowMs: settings.connectTimeoutMs.value + settings.responseTimeoutMs.value,
    lockWaitMs: session.lockWaitMs,
    workingFolder: context.cwd,
    toolVersion: context.version,
    tidyFolder: createTempSweeper(context.clock),
  };
}

/** What uploads are given; connects to the service. @throws EvolinkError `auth` without a usable key */
export async function createUploadDependencies(
  context: Context,
  session: Session,
): Promise<UploadDependencies> {
  const { createUploadCache } = await import('../media/upload.ts');
  const { isStillThere } = await import('../media/check-url.ts');
  const { files, links } = await session.connect();
  const { clock, pid, host } = context;
  const { accountId } = files;
  return {
    files,
    clock,
    cache: createUploadCache({ stateFolder: session.stateFolder, accountId, clock, owner: { pid, host } }),
    isThere: (url, signal) => isStillThere(url, { links, clock, signal }),
  };
}

/** Well-formed, and worth nothing. */
const SANDBOX_KEY = 'sandbox-key-0001';
const SANDBOX_CREDITS = 1_000_000;

/**
 * Starts the sandbox inside this process. Its tasks are kept in the state folder, so that a run that was killed can be
 * continued by the next one, as with the real service.
 * @throws EvolinkError `local-io` when that folder cannot be made
 */
async function startEmbeddedSandbox(
  context: Context,
  stateFolder: string,
): Promise<SandboxAddresses & { readonly close: () => Promise<void> }> {
  // A folder that cannot be written is a matter of this machine, not a bug of the sandbox.
  await ensureFolder(join(stateFolder, 'tasks'));
  const { startSandbox } = await import('../sandbox/start-sandbox.ts');
  const sandbox = await startSandbox({
    clock: context.clock,
    stateFolder,
    startingCredits: SANDBOX_CREDITS,
    faults: context.env.EVOLINK_SANDBOX_FAULTS,
  });
  return {
    apiUrl: sandbox.apiUrl,
    filesUrl: sandbox.filesUrl,
    key: SANDBOX_KEY,
    close: () => sandbox.close(),
  };
}
