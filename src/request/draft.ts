import { isRequestKey } from './fields.ts';
import {
  MEDIA_KINDS,
  OPERATIONS,
  type Operation,
  type Origin,
  operationOfModel,
  type Problem,
} from './models.ts';
import { type Asked, describeValue, type JobObject, type KeyPath, nearest, problemAt } from './problems.ts';

/** What is asked for, under one key a thing (lists as `image_urls`, `web_search` by itself), before its values are checked. */
export interface RequestDraft extends Asked {
  readonly operation: Operation;
}

/** Says whether a value of YAML or JSON is an object. */
export function isJobObject(value: unknown): value is JobObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A key path as people write it: `model_params.web_search`, `image_urls[0]`. */
export function describeKeyPath(keyPath: KeyPath): string {
  return keyPath.reduce<string>((path, key) => {
    if (typeof key === 'number') return `${path}[${key}]`;
    return path === '' ? key : `${path}.${key}`;
  }, '');
}

/** A body that was sent, as a job asks for it: fields that the table does not have stand in `extra`. */
export function bodyAsJob(body: JobObject): JobObject {
  const fields = Object.entries(body);
  const extra = fields.filter(([key]) => !isRequestKey(key));
  const job = Object.fromEntries(fields.filter(([key]) => isRequestKey(key)));
  return extra.length === 0 ? job : { ...job, extra: Object.fromEntries(extra) };
}

/** Keys that say the same: any of a row takes the place of all of it below. */
const ONE_CHOICE: readonly (readonly string[])[] = [
  ['images', 'image_urls', 'first', 'last'],
  ['videos', 'video_urls'],
  ['audios', 'audio_urls'],
  ['web_search', 'model_params'],
  ['tier', 'model'],
];

/** One from two: flags over a job, a job over its defaults, all over settings. Lists and objects are replaced as a whole. */
export function mergeAsked(over: Asked, under: Asked): Asked {
  const isSaid = (key: string): boolean => over.value[key] !== undefined;
  const left = Object.entries(under.value).filter(
    ([key]) => !isSaid(key) && !ONE_CHOICE.some((row) => row.includes(key) && row.some(isSaid)),
  );
  if (left.length === 0) return over;
  const inherited = Object.fromEntries(left);
  return {
    value: { ...over.value, ...inherited },
    locate: (keyPath) => (Object.hasOwn(inherited, keyPath[0] ?? '') ? under : over).locate(keyPath),
  };
}

/**
 * Reads what is asked for into a draft. Strict about two keys for one thing and about lists; values are left to
 * `resolveRequest`.
 * @param command the operation of the command, where one is fixed: a job that says another is a problem
 * @returns the draft beside its problems, so that one more check can report the rest; none where no operation is known
 */
export function readDraft(
  asked: Asked,
  command?: Operation,
): { readonly draft?: RequestDraft; readonly problems: readonly Problem[] } {
  const { value: given, locate } = asked;
  const { type, model_params: params } = given;
  const problems: Problem[] = [];
  const refuse = (keyPath: KeyPath, message: string, suggestion?: string) =>
    problems.push(problemAt(asked, keyPath, message, suggestion));
  const has = (key: string): boolean => given[key] !== undefined;
  for (const row of ONE_CHOICE) {
    const [one = '', other] = row.filter(has);
    // A model may say its tier besides, and a last frame stands beside the first.
    if (other !== undefined && one !== 'tier' && one !== 'first')
      refuse([one], `and ${other} say the same; leave one of the two out`);
  }
  const value: Record<string, unknown> = { ...given };
  /** Where things stand whose keys are others here. */
  const places = new Map<unknown, KeyPath>();
  for (const kind of MEDIA_KINDS) {
    const key = `${kind}_urls`;
    // Lists have a second name in job files, where they may hold files.
    const name = has(`${kind}s`) ? `${kind}s` : key;
    const isList = Array.isArray(given[name]);
    if (has(name) && !isList) refuse([name], 'must be a list, also where there is only one');
    value[key] = isList ? given[name] : undefined;
    places.set(key, [name]);
  }
  const named = OPERATIONS.find((known) => known === type);
  if (has('type') && named === undefined) {
    refuse(['type'], `must be one of ${OPERATIONS.join(', ')}`, nearest(type, OPERATIONS));
    if (command === undefined) return { problems };
  }
  if (named !== undefined && command !== undefined && named !== command)
    refuse(['type'], `belongs to \`evolink ${named}\`, not to \`evolink ${command}\``);
  const frames = ['first', 'last'].filter(has);
  const [frame] = frames;
  const hasList = MEDIA_KINDS.some((kind) => value[`${kind}_urls`] !== undefined);
  const byMedia = frame !== undefined ? 'i2v' : hasList ? 'ref' : 't2v';
  const operation = command ?? named ?? operationOfModel(given.model) ?? byMedia;
  if (frame !== undefined && operation !== 'i2v') refuse([frame], 'is only for i2v; use images');
  else if (frame === 'last') refuse([frame], 'needs the first frame too; give first (--first)');
  if (value.image_urls === undefined && frame !== undefined) {
    value.image_urls = frames.map((key) => given[key]);
    for (const [index, key] of frames.entries()) places.set(index, [key]);
  }
  if (isJobObject(params)) {
    for (const key of Object.keys(params))
      if (key !== 'web_search') refuse(['model_params', key], 'is not a known key; known is web_search');
    if (params.web_search !== undefined) places.set('web_search', ['model_params', 'web_search']);
    value.web_search = params.web_search ?? given.web_search;
  } else if (params !== undefined)
    refuse(['model_params'], 'must be an object, such as {"web_search": true}');
  if (has('extra') && !isJobObject(given.extra)) refuse(['extra'], 'must be an object, such as {"seed": 7}');
  const locateHere = ([key, ...inner]: KeyPath): Origin => {
    if (key === undefined) return locate([]);
    const ofFrame = key === 'image_urls' ? places.get(inner[0]) : undefined;
    return locate(ofFrame ?? [...(places.get(key) ?? [key]), ...inner]);
  };
  return { draft: { operation, value, locate: locateHere }, problems };
}

/**
 * Reads the text of a duration flag: `8` or `8s` becomes the number 8. Any other text comes back as it is, so that
 * `resolveRequest` reports it together with everything else.
 */
export function coerceDuration(text: string): number | string {
  const match = /^\s*(-?\d{1,6})\s*s?\s*$/i.exec(text);
  return match?.[1] === undefined ? text : Number(match[1]);
}

/** Reads `--set key=value`, whose value is JSON. */
export function readExtra(texts: readonly string[]): { readonly extra: JobObject; problems: Problem[] } {
  const extra: [string, unknown][] = [];
  const problems: Problem[] = [];
  for (const text of texts) {
    const [, key = '', json = ''] = /^([^=\s]+)=(.*)$/s.exec(text) ?? [];
    try {
      extra.push([key, JSON.parse(json)]);
    } catch {
      const message = `must be key=value with a value in JSON, such as --set seed=7 or --set 'style="anime"'`;
      problems.push({ source: '--set', value: describeValue(text), message });
    }
  }
  return { extra: Object.fromEntries(extra), problems };
}
