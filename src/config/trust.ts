import { EvolinkError } from '../errors.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import type { Setting, SettingLevel } from '../request/estimate.ts';
import { type ApiKey, toApiKey } from './api-key.ts';
import type { HostCandidates, ResolvedConfig } from './resolve.ts';

/** The service's own hosts: every key may go there. */
const SERVICE_HOSTS = new Set(['api.evolink.ai', 'files-api.evolink.ai']);

export interface TrustedHosts {
  readonly baseUrl: Setting<string>;
  readonly filesUrl: Setting<string>;
  readonly warnings: readonly string[];
}

/** Where the key that is going to be sent comes from. */
export interface KeyOrigin {
  readonly level: SettingLevel;
  /** `EVOLINK_API_KEY`. */
  readonly source: string;
}

/** `plain-http`: readable on the way. `foreign`: named by a project file, while the key is the user's own. */
export type HostVerdict = 'trusted' | 'plain-http' | 'foreign';

/**
 * Whether a key may be sent to a host. A key only goes where the same or a higher level of trust named the host; the
 * project is the lower level (a cloned repository must not be able to steal a key), flags, environment and user config
 * are the higher one. Loopback and, over https, the service's own hosts take every key; plain http is for loopback only.
 */
export function judgeHost(host: Setting<string>, keyLevel: SettingLevel): HostVerdict {
  const { protocol, hostname, port } = new URL(host.value);
  if (isLoopbackHost(hostname)) return 'trusted';
  if (protocol !== 'https:')
    return host.level === 'project' && keyLevel !== 'project' ? 'foreign' : 'plain-http';
  if (host.level !== 'project' || keyLevel === 'project') return 'trusted';
  return SERVICE_HOSTS.has(hostname) && port === '' ? 'trusted' : 'foreign';
}

/**
 * Chooses the API's and the upload host for a key: the strongest candidate, but without those that a project file named
 * and the key must not go to; each of these gives a warning, and so does a loopback one that is taken. Without a key the rule is that of a key of the user's.
 * @throws EvolinkError `usage` for plain http to a host that is not loopback
 */
export function trustHosts(candidates: HostCandidates, key?: KeyOrigin): TrustedHosts {
  const warnings: string[] = [];
  const choose = (setting: string, chain: readonly Setting<string>[]): Setting<string> => {
    for (const host of chain) {
      const verdict = judgeHost(host, key?.level ?? 'user');
      if (verdict === 'trusted') {
        if (key !== undefined && isProjectLoopback(host) && key.level !== 'project')
          warnings.push(loopbackWarning(setting, host, key));
        return host;
      }
      if (verdict === 'plain-http') throw plainHttpError(setting, host);
      warnings.push(foreignWarning(setting, host, key));
    }
    throw new EvolinkError('internal', `no value is left for ${setting}`);
  };
  return {
    baseUrl: choose('base_url', candidates.baseUrl),
    filesUrl: choose('files_url', candidates.filesUrl),
    warnings,
  };
}

/** A project file names a place on this machine: let through for local sandboxes, but it may be any program's port. */
export function isProjectLoopback({ value, level }: Setting<string>): boolean {
  return level === 'project' && isLoopbackHost(new URL(value).hostname);
}

function loopbackWarning(setting: string, { source, value }: Setting<string>, key: KeyOrigin): string {
  return `${setting} from ${source}: your API key (${key.source}) is sent to "${value}" on this machine, as a project file says so; for a rehearsal without a key use --sandbox`;
}

function plainHttpError(setting: string, host: Setting<string>): EvolinkError {
  return new EvolinkError(
    'usage',
    `${setting} (${host.source}) is "${host.value}": over plain http the API key could be read on the way`,
    {
      hint: `use ${host.value.replace(/^http:/, 'https:')}; http is for this machine only (localhost, 127.0.0.1)`,
      charged: 'no',
    },
  );
}

function foreignWarning(setting: string, host: Setting<string>, key: KeyOrigin | undefined): string {
  const owner = key === undefined ? 'your API key' : `your API key (${key.source})`;
  const variable = setting === 'base_url' ? 'EVOLINK_BASE_URL' : 'EVOLINK_FILES_URL';
  return `${setting} from ${host.source} ("${host.value}") is ignored: a project file must not decide where ${owner} is sent; if you trust that host, set ${variable} to it yourself`;
}

export interface SandboxAddresses {
  readonly apiUrl: string;
  readonly filesUrl: string;
  readonly key: string;
}

/** Puts the addresses and the key of a sandbox in place of whatever is configured: a real key never goes there. */
export function withSandbox(
  settings: ResolvedConfig,
  { apiUrl, filesUrl, key }: SandboxAddresses,
): { readonly settings: ResolvedConfig; readonly apiKey: ApiKey } {
  const origin = { level: 'sandbox', source: '--sandbox' } as const;
  return {
    settings: {
      ...settings,
      baseUrl: { value: apiUrl, ...origin },
      filesUrl: { value: filesUrl, ...origin },
    },
    apiKey: toApiKey(key, origin),
  };
}
