import { EvolinkError } from '../errors.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import type { Setting, SettingLevel } from '../request/estimate.ts';
import { REQUEST_DEFAULTS, type RequestDraft } from '../request/fields.ts';
import { findModel, QUALITIES } from '../request/models.ts';
import { describeValue } from '../request/problems.ts';
import type { HostCandidates } from './resolve.ts';

/** The service's own hosts: every key may go there. */
const SERVICE_HOSTS = new Set(['api.evolink.ai', 'files-api.evolink.ai']);

export interface TrustedHosts {
  readonly baseUrl: Setting<string>;
  readonly filesUrl: Setting<string>;
  readonly warnings: readonly string[];
  /** Thrown before a key would go where a project file alone sends it. */
  readonly refusal?: EvolinkError | undefined;
}

/** Where the key that is going to be sent comes from. */
export interface KeyOrigin {
  readonly level: SettingLevel;
  /** `EVOLINK_API_KEY`. */
  readonly source: string;
}

/**
 * `plain-http`: readable on the way. `foreign`: named by a project file, while the key is the user's own. `own-machine`:
 * the same on loopback, where any program of any user may listen.
 */
type HostVerdict = 'trusted' | 'plain-http' | 'foreign' | 'own-machine';

/**
 * Whether a key may be sent to a host. A key only goes where the same or a higher level of trust named the host; the
 * project is the lower level (a cloned repository must not be able to steal a key), flags, environment and user config
 * are the higher one. The service's own hosts take every key over https; plain http is for loopback only.
 */
export function judgeHost(host: Setting<string>, keyLevel: SettingLevel): HostVerdict {
  const { protocol, hostname, port } = new URL(host.value);
  const isProjects = host.level === 'project' && keyLevel !== 'project';
  if (isLoopbackHost(hostname)) return isProjects ? 'own-machine' : 'trusted';
  if (protocol !== 'https:') return isProjects ? 'foreign' : 'plain-http';
  if (!isProjects) return 'trusted';
  return SERVICE_HOSTS.has(hostname) && port === '' ? 'trusted' : 'foreign';
}

/**
 * Chooses the API's and the upload host for a key: the strongest candidate, but without those that a project file named
 * and the key must not go to; each of these gives a warning, and so does a loopback one that is taken. Without a key the rule is that of a key of the user's.
 * @throws EvolinkError `usage` for plain http to a host that is not loopback
 */
export function trustHosts(candidates: HostCandidates, key?: KeyOrigin): TrustedHosts {
  const warnings: string[] = [];
  let refusal: EvolinkError | undefined;
  const choose = (setting: string, chain: readonly Setting<string>[]): Setting<string> => {
    for (const host of chain) {
      const verdict = judgeHost(host, key?.level ?? 'user');
      if (verdict === 'trusted') return host;
      if (verdict === 'own-machine') {
        // Without a key nothing can be sent anyway.
        if (key !== undefined) {
          refusal ??= ownMachineError(setting, host, key);
          warnings.push(refusal.message);
        }
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
    refusal,
  };
}

function ownMachineError(setting: string, { source, value }: Setting<string>, key: KeyOrigin): EvolinkError {
  return new EvolinkError(
    'usage',
    `${setting} (${source}) is "${value}": a project file must not decide that your API key (${key.source}) goes to a program on this machine`,
    {
      hint: `if you trust what listens there: export ${variableOf(setting)}=${value}; to try without a key: --sandbox`,
    },
  );
}

function variableOf(setting: string): string {
  return setting === 'base_url' ? 'EVOLINK_BASE_URL' : 'EVOLINK_FILES_URL';
}

function plainHttpError(setting: string, host: Setting<string>): EvolinkError {
  return new EvolinkError(
    'usage',
    `${setting} (${host.source}) is "${host.value}": over plain http the API key could be read on the way`,
    {
      hint: `use ${host.value.replace(/^http:/, 'https:')}; http is for this machine only (localhost, 127.0.0.1)`,
    },
  );
}

function foreignWarning(setting: string, host: Setting<string>, key: KeyOrigin | undefined): string {
  const owner = key === undefined ? 'your API key' : `your API key (${key.source})`;
  return `${setting} from ${host.source} ("${host.value}") is ignored: a project file must not decide where ${owner} is sent; if you trust that host, set ${variableOf(setting)} to it yourself`;
}

/** One setting of a project file that costs more than the built-in value, or that calls somebody. */
export interface ProjectChoice {
  /** `quality 4k`. */
  readonly text: string;
  readonly warning: string;
}

const RAISES: Partial<
  Record<keyof RequestDraft, readonly [key: string, raises: (value: unknown) => boolean]>
> = {
  model: ['model', (value) => typeof value !== 'string' || findModel(value) === undefined],
  quality: ['quality', (value) => isAbove(QUALITIES, value, REQUEST_DEFAULTS.quality)],
  durationSeconds: [
    'duration',
    (value) => typeof value !== 'number' || value < 0 || value > REQUEST_DEFAULTS.durationSeconds,
  ],
  contentFilter: ['content_filter', (value) => value !== REQUEST_DEFAULTS.contentFilter],
  webSearch: ['web_search', (value) => value !== false],
  callbackUrl: ['callback_url', () => true],
};

function isAbove(scale: readonly string[], value: unknown, builtIn: string): boolean {
  return scale.indexOf(String(value)) > scale.indexOf(builtIn);
}

/** What a project file, which may come from somebody else, makes dearer in a request or lets somebody know. Pure. */
export function projectChoices(draft: RequestDraft): readonly ProjectChoice[] {
  return Object.entries(RAISES).flatMap(([name, [key, raises]]) => {
    // The table's own keys are those of the draft.
    const at = draft[name as keyof typeof RAISES];
    if (at === undefined || typeof at === 'string' || !('value' in at)) return [];
    if (at.projectPlace === undefined || !raises(at.value)) return [];
    const text = `${key} ${describeValue(at.value)}`;
    const effect =
      key === 'callback_url'
        ? 'the service calls it when a task ends'
        : key === 'model'
          ? 'its price is not known'
          : 'it costs more than the built-in value';
    return [{ text, warning: `${text} comes from a project file (${at.projectPlace}): ${effect}` }];
  });
}

/** The API of EvoLink itself, which most records belong to. */
const OWN_ORIGIN = 'https://api.evolink.ai';

/**
 * Which service an API address belongs to: its origin, or undefined for EvoLink's own. A task of one service means nothing
 * to another, whatever their requests have in common. Text that is no URL is a service of its own.
 */
export function serviceOf(baseUrl: string): string | undefined {
  const origin = URL.canParse(baseUrl) ? new URL(baseUrl).origin : baseUrl;
  return origin === OWN_ORIGIN ? undefined : origin;
}
