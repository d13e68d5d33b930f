import { join } from 'node:path';
import { createApiClient } from '../api/client.ts';
import { createFilesClient } from '../api/files.ts';
import { createHttp, type Http } from '../api/http.ts';
import { createLinkClient } from '../api/links.ts';
import { readProxySettings } from '../api/proxy.ts';
import { locateApiKey, readApiKey, serviceOf, trustHosts } from '../config/api-key.ts';
import { askedBySettings, loadConfig, type Settings } from '../config/load.ts';
import type { EvolinkError } from '../errors.ts';
import { isLoopbackUrl } from '../platform/address-class.ts';
import type { Context } from '../platform/context.ts';
import { createTempSweeper } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import type { EmitEvent, GenerateDependencies } from '../task/events.ts';
import { createJournal, type Journal } from '../task/journal.ts';
import { createTaskPoller } from '../task/poll.ts';
import { hashKey, type TaskRecord } from '../task/record.ts';
import { type FlagValues, SETTING_FLAGS, typedOf } from './flags.ts';
import { statePlace } from './form.ts';

/** Settings and the doors to the outside, for the length of one command. */
export type Session = Awaited<ReturnType<typeof openSession>>;

/** `trust`: about what somebody else could have written or can read; shown with `--quiet` too. */
export type Warn = (message: string, code?: 'trust') => void;

const TERMINAL_LOCK_WAIT_MS = 10_000;
/** The key is well-formed, and worth nothing. */
export const SANDBOX_KEY = 'sandbox-key-0001';

/**
 * Reads the configuration and prepares what a command may need; nothing is contacted and no key is read yet.
 * @throws EvolinkError `usage` for a wrong configuration
 */
export async function openSession(
  context: Context,
  { form, warn, watch }: { form: FlagValues; warn: Warn; watch?: (journal: Journal) => Journal },
) {
  const { cwd, clock, pid, host } = context;
  const config = await loadConfig(context, typedOf(SETTING_FLAGS, form));
  for (const warning of config.warnings) warn(warning);
  const { folder: stateFolder, isSandbox } = statePlace(context, form);
  const keyPlace = locateApiKey(config, context);
  const hosts = isSandbox ? undefined : trustHosts(config.hosts, keyPlace);
  for (const warning of [...config.trustWarnings, ...(hosts?.warnings ?? [])]) warn(warning, 'trust');
  const settings = { ...config.settings, ...(hosts && { baseUrl: hosts.baseUrl, filesUrl: hosts.filesUrl }) };
  const baseUrl = hosts?.baseUrl.value ?? 'http://127.0.0.1';
  // The sandbox keeps its records apart, and its address is always new.
  const service = isSandbox ? undefined : serviceOf(baseUrl);
  const isLoopbackApi = isLoopbackUrl(baseUrl);
  const closers: (() => Promise<void> | void)[] = [];
  const openHttp = (): Http => {
    const http = createServiceHttp(context, settings);
    closers.push(http.close);
    return http;
  };
  /** Where requests go, and with which key. */
  const findAccess = async () => {
    if (hosts === undefined) {
      const { apiUrl, filesUrl, close } = await startEmbeddedSandbox(context, stateFolder);
      closers.push(close);
      return { baseUrl: apiUrl, filesUrl, apiKey: SANDBOX_KEY };
    }
    if (hosts.refusal !== undefined) throw hosts.refusal;
    const { value, level } = hosts.filesUrl;
    // An API on this machine has its uploads here too, unless a place is named: nothing of it belongs to the service.
    const filesUrl = isLoopbackApi && level === 'built-in' ? baseUrl : value;
    const { key: apiKey, warnings } = await readApiKey(keyPlace, config.locations.userConfigPath);
    context.secrets.add(apiKey);
    for (const warning of warnings) warn(warning, 'trust');
    return { baseUrl, filesUrl, apiKey };
  };
  const connect = async () => {
    const access = await findAccess();
    const http = openHttp();
    const api = createApiClient({ ...access, http, clock });
    return {
      /** Made when it is asked for: what hashes takes its time to load. */
      get keyHash() {
        return hashKey(access.apiKey);
      },
      api: { ...api, ...createTaskPoller(api, clock, settings.readsPerMinute.value) },
      links: createLinkClient({ http, allowLoopback: isLoopbackApi }),
      files: createFilesClient({ http, baseUrl: access.filesUrl, apiKey: access.apiKey, clock }),
    };
  };
  let connected: ReturnType<typeof connect> | undefined;
  const connectOnce = () => (connected ??= connect());
  const uploads = async () => {
    const { createUploadCache } = await import('../media/upload.ts');
    const { isStillThere } = await import('../media/check-url.ts');
    const { files, links } = await connectOnce();
    return {
      files,
      clock,
      cache: createUploadCache(join(stateFolder, 'uploads', files.accountId), clock, { pid, host }),
      isThere: (url: string, signal?: AbortSignal) => isStillThere(url, { links, clock, signal }),
    };
  };
  const lockWaitMs = settings.lockTimeoutMs.value ?? (context.io.stderr.isTty ? TERMINAL_LOCK_WAIT_MS : 0);
  // Watched wherever it goes: how a command ends depends on what it was told last.
  const opened = createJournal({ ...context, folder: stateFolder });
  const journal = watch?.(opened) ?? opened;
  return {
    settings,
    config,
    /** Where the key would be taken from; it is read by `connect` alone. */
    keyPlace,
    isSandbox,
    /** Makes the commands that a text names work as they stand; reporters of the frame do so by themselves. */
    commands: createOwnCommands(isSandbox),
    journal,
    stateFolder,
    lockWaitMs,
    /** Where requests go, known without a key. */
    baseUrl,
    /** As `serviceOf`. */
    service,
    /** Says whether a record is of that service: only there its task is known. */
    isOwn: ({ apiBaseUrl }: TaskRecord): boolean => isSandbox || serviceOf(apiBaseUrl) === service,
    /** What every price and check of a request goes by. */
    pricing: {
      settings: askedBySettings(settings),
      allowLoopback: isLoopbackApi,
      prices: settings.prices.value,
      priceCredits: form.priceCredits,
    },
    /** Media and callbacks on loopback are of use only to an API on loopback. */
    isLoopbackApi,
    /** Connects when a command first needs the service. @throws EvolinkError `auth` without a usable key */
    connect: connectOnce,
    /** What the use cases are given. @throws as `connect` */
    async dependencies(emit: EmitEvent): Promise<GenerateDependencies> {
      const { api, links, keyHash } = await connectOnce();
      return {
        api,
        keyHash,
        service,
        links,
        journal,
        limits: {
          minBytesPerSecond: settings.minBytesPerSecond.value,
          maxSizeBytes: settings.maxSizeBytes.value,
        },
        lockWaitMs,
        emit,
        clock,
        upload: async (...media) =>
          (await import('../task/prepare-media.ts')).uploadMedia(await uploads(), ...media),
        stdout: context.io.stdout,
        submitWindowMs: settings.connectTimeoutMs.value + settings.responseTimeoutMs.value,
        workingFolder: cwd,
        toolVersion: context.version,
        tidyFolder: createTempSweeper(clock),
      };
    },
    /** What uploads are given. @throws as `connect` */
    uploads,
    /** Fetches media that anybody may fetch; needs no key. In the sandbox it stays on this machine. */
    openMediaLinks: () =>
      createLinkClient({ http: openHttp(), allowLoopback: isLoopbackApi, onlyLoopback: isLoopbackApi }),
    async close(): Promise<void> {
      for (const close of closers.reverse()) await close();
    },
  };
}

/** The way to the service: with the time limits of the settings, and through the proxy of the environment. */
export function createServiceHttp(context: Context, settings: Settings): Http {
  return createHttp({
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

/**
 * Starts the sandbox inside this process. Its tasks are kept in the state folder, so that a run that was killed can be
 * continued by the next one, as with the real service.
 * @throws EvolinkError `local-io` when that folder cannot be made
 */
async function startEmbeddedSandbox({ clock, env }: Context, stateFolder: string) {
  // A folder that cannot be written is a matter of this machine, not a bug of the sandbox.
  await ensureFolder(join(stateFolder, 'tasks'));
  const { startSandbox } = await import('../sandbox/start-sandbox.ts');
  return startSandbox({ clock, stateFolder, startingCredits: 1_000_000, faults: env.EVOLINK_SANDBOX_FAULTS });
}

const SANDBOX_FLAG = '--sandbox';
/** The commands that work in a journal or with a service, so that it matters in which. */
const OWN_COMMAND =
  /\b(evolink (?:t2v|i2v|ref|run|status|download|resume|history|show|again|open|forget|credits|upload))\b(?! --(?:sandbox|help)\b)/g;

/** Makes the commands that a text names work when copied: those of the sandbox need `--sandbox`. */
export function createOwnCommands(isSandbox: boolean) {
  const inText = (text: string): string =>
    isSandbox ? text.replaceAll(OWN_COMMAND, `$1 ${SANDBOX_FLAG}`) : text;
  const inArguments = (words: readonly string[]): readonly string[] =>
    isSandbox && !words.includes(SANDBOX_FLAG) ? [...words, SANDBOX_FLAG] : words;
  /** In its hint, its details and the command that continues. */
  const inError = (error: EvolinkError): EvolinkError => {
    const { hint, details, resume } = error.facts;
    return error.insisting({
      hint: hint && inText(hint),
      details: details?.map(inText),
      resume: resume && inArguments(resume),
    });
  };
  return { inText, inArguments, inError };
}
