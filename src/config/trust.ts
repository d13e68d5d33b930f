import { EvolinkError } from '../errors.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import type { Setting, SettingLevel } from '../request/estimate.ts';
import { REQUEST_DEFAULTS, type WireBody } from '../request/fields.ts';
import { findModel, QUALITIES } from '../request/models.ts';
import { type Asked, describeValue } from '../request/problems.ts';
import type { KeyPlace } from './api-key.ts';
import { SETTINGS } from './keys.ts';
import type { HostCandidates } from './load.ts';

/** The service's own hosts: every key may go there. */
const SERVICE_HOSTS = new Set(['api.evolink.ai', 'files-api.evolink.ai']);

/**
 * Whether a key may be sent to a host. A key only goes where the same or a higher level of trust named the host; the
 * project is the lower level (a cloned repository must not be able to steal a key), flags, environment and user config
 * are the higher one. The service's own hosts take every key over https; plain http is for loopback only.
 * @returns `plain-http`: readable on the way. `foreign`: named by a project file, while the key is the user's own.
 *   `own-machine`: the same on loopback, where any program of any user may listen.
 */
export function judgeHost(host: Setting<string>, keyLevel: SettingLevel) {
  const { protocol, hostname, port } = new URL(host.value);
  const isProjects = host.level === 'project' && keyLevel !== 'project';
  if (isLoopbackHost(hostname)) return isProjects ? 'own-machine' : 'trusted';
  if (protocol !== 'https:') return isProjects ? 'foreign' : 'plain-http';
  return !isProjects || (SERVICE_HOSTS.has(hostname) && port === '') ? 'trusted' : 'foreign';
}

/**
 * Chooses the API's and the upload host for a key: the strongest candidate, but without those that a project file named
 * and the key must not go to; each of these gives a warning, and so does a loopback one that is taken. Without a key the
 * rule is that of a key of the user's.
 * @returns `refusal`: thrown before a key would go where a project file alone sends it
 * @throws EvolinkError `usage` for plain http to a host that is not loopback
 */
export function trustHosts(candidates: HostCandidates, place?: Pick<KeyPlace, 'level' | 'source'>) {
  const warnings: string[] = [];
  let refusal: EvolinkError | undefined;
  const owner = place === undefined ? 'your API key' : `your API key (${place.source})`;
  const choose = (name: keyof HostCandidates): Setting<string> => {
    const { key, env } = SETTINGS[name];
    for (const host of candidates[name]) {
      const { value, source } = host;
      const verdict = judgeHost(host, place?.level ?? 'user');
      if (verdict === 'trusted') return host;
      if (verdict === 'plain-http')
        throw new EvolinkError(
          'usage',
          `${key} (${source}) is "${value}": over plain http the API key could be read on the way`,
          {
            hint: `use ${value.replace(/^http:/, 'https:')}; http is for this machine only (localhost, 127.0.0.1)`,
          },
        );
      if (verdict === 'own-machine') {
        // Without a key nothing can be sent anyway.
        if (place === undefined) return host;
        const what = `${key} (${source}) is "${value}": a project file must not decide that ${owner} goes to a program on this machine`;
        refusal ??= new EvolinkError('usage', what, {
          hint: `if you trust what listens there: export ${env}=${value}; to try without a key: --sandbox`,
        });
        warnings.push(what);
        return host;
      }
      warnings.push(
        `${key} from ${source} ("${value}") is ignored: a project file must not decide where ${owner} is sent; if you trust that host, set ${env} to it yourself`,
      );
    }
    throw new EvolinkError('internal', `no value is left for ${key}`);
  };
  const [baseUrl, filesUrl] = [choose('baseUrl'), choose('filesUrl')];
  return { baseUrl, filesUrl, warnings, refusal };
}

/** One setting of a project file that costs more than the built-in value, or that calls somebody. */
export interface ProjectChoice {
  /** `quality 4k`. */
  readonly text: string;
  readonly warning: string;
}

const DEARER = 'it costs more than the built-in value';
const RAISES = {
  model: [(value) => typeof value !== 'string' || findModel(value) === undefined, 'its price is not known'],
  quality: [(value) => rank(value) > rank(REQUEST_DEFAULTS.quality), DEARER],
  duration: [(value) => typeof value !== 'number' || value < 0 || value > REQUEST_DEFAULTS.duration, DEARER],
  content_filter: [(value) => value !== REQUEST_DEFAULTS.content_filter, DEARER],
  model_params: [(value) => value !== false, DEARER],
  callback_url: [() => true, 'the service calls it when a task ends'],
} satisfies Record<string, readonly [raises: (value: unknown) => boolean, effect: string]>;

function rank(quality: unknown): number {
  return QUALITIES.indexOf(quality as (typeof QUALITIES)[number]);
}

/**
 * What a project file, which may come from somebody else, makes dearer in a request or lets somebody know. Pure.
 * @param body what is sent: a setting that the model has no field for is not in it
 */
export function projectChoices({ value, locate }: Asked, body: WireBody): readonly ProjectChoice[] {
  return Object.entries(RAISES).flatMap(([field, [raises, effect]]) => {
    const key = field === 'model_params' ? 'web_search' : field;
    if (body[field] === undefined || value[key] === undefined || !raises(value[key])) return [];
    const { projectPlace } = locate([key]);
    if (projectPlace === undefined) return [];
    const text = `${key} ${describeValue(value[key])}`;
    return [{ text, warning: `${text} comes from a project file (${projectPlace}): ${effect}` }];
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
