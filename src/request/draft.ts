import { FIELDS, NAMED_FIELDS, type RequestDraft } from './fields.ts';
import type { Origin, Problem, Sourced } from './models.ts';
import { OPERATION_NAMES, OPERATIONS, type Operation, operationOfModel } from './models.ts';
import { describeValue, nearest, problemAt } from './problems.ts';

export type KeyPath = readonly (string | number)[];
/** Says where a key stands, for messages: `duration (job.yaml:7:5)`. */
export type Locate = (keyPath: KeyPath) => Origin;
type Body = Readonly<Record<string, unknown>>;

/** A key path as people write it: `model_params.web_search`, `image_urls[0]`. */
export function describeKeyPath(keyPath: KeyPath): string {
  return keyPath.reduce<string>((path, key) => {
    if (typeof key === 'number') return `${path}[${key}]`;
    return path === '' ? key : `${path}.${key}`;
  }, '');
}

const KNOWN_KEYS: readonly string[] = FIELDS.map(({ key }) => key);
/** The keys inside `model_params`. */
export const MODEL_PARAMS_KEYS = ['web_search'] as const;
/** A body that was sent, as a job asks for it: fields that the table does not have stand in `extra`. */
export function bodyAsJob(body: Body): Body {
  const isKnown = ([key]: readonly [string, unknown]) => KNOWN_KEYS.includes(key);
  const fields = Object.entries(body);
  const extra = fields.filter((field) => !isKnown(field));
  const known = Object.fromEntries(fields.filter(isKnown));
  return extra.length === 0 ? known : { ...known, extra: Object.fromEntries(extra) };
}

/** Lists have a second name in job files, where they may hold files. */
const LISTS = { images: 'image_urls', videos: 'video_urls', audios: 'audio_urls' } as const;

/** A value whose origin is looked up when a message needs it: most values of a large file are fine. */
class Placed implements Sourced<unknown> {
  readonly value: unknown;
  readonly #path: KeyPath;
  readonly #locate: Locate;

  constructor(value: unknown, path: KeyPath, locate: Locate) {
    this.value = value;
    this.#path = path;
    this.#locate = locate;
  }

  get source() {
    return this.#locate(this.#path).source;
  }

  get place() {
    return this.#locate(this.#path).place;
  }
}

function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads a JSON body as the API documents it, or the request of a job, into a draft. Strict about keys (an unknown one is
 * a problem with the nearest spelling), about two keys for one thing and about lists; values are left to
 * `resolveRequest`. Never throws.
 * @param options.operation that of the command, where one is fixed: a body that says another is a problem
 * @returns the draft beside its problems, so that one more check can report the rest; none where no operation is known
 */
export function draftFromBody(
  body: unknown,
  options: { readonly operation?: Operation | undefined; readonly locate?: Locate | undefined } = {},
): { readonly draft?: RequestDraft; readonly problems: readonly Problem[] } {
  const { operation: command, locate = (path) => ({ source: describeKeyPath(path) || 'body' }) } = options;
  if (!isObject(body)) {
    const message = 'must be an object with keys such as prompt and duration';
    return { problems: [{ ...locate([]), value: describeValue(body), message }] };
  }
  const problems: Problem[] = [];
  const refuse = (at: Sourced<unknown>, message: string, suggestion?: string) =>
    problems.push(problemAt(at, message, suggestion));
  const placed = (value: unknown, ...path: KeyPath): Sourced<unknown> => new Placed(value, path, locate);
  const checkKeys = (object: Body, known: readonly string[], ...under: string[]) => {
    for (const [key, held] of Object.entries(object)) {
      if (known.includes(key)) continue;
      const meant = nearest(key, known);
      const message = `is not a known key${meant === undefined ? `; known are ${known.join(', ')}` : ''}`;
      refuse(placed(held, ...under, key), message, meant);
    }
  };
  checkKeys(body, KNOWN_KEYS);
  const at: Record<string, Sourced<unknown> | undefined> = {};
  for (const key of KNOWN_KEYS)
    if (Object.hasOwn(body, key) && body[key] !== undefined) at[key] = placed(body[key], key);

  const readList = (key: string): readonly Sourced<unknown>[] | undefined => {
    const list = at[key];
    if (Array.isArray(list?.value)) return list.value.map((item: unknown, index) => placed(item, key, index));
    if (list !== undefined) refuse(list, 'must be a list, also where there is only one');
    return undefined;
  };
  const lists: Record<string, readonly Sourced<unknown>[] | undefined> = {};
  for (const [key, apiKey] of Object.entries(LISTS)) {
    if (at[key] !== undefined && at[apiKey] !== undefined)
      refuse(at[key], `and ${apiKey} are the same list; leave one of the two out`);
    lists[key] = readList(key) ?? readList(apiKey);
  }

  const { type, first, last, model_params: params, extra } = at;
  const named = OPERATIONS.find((known) => known === type?.value);
  if (type !== undefined && named === undefined) {
    const byName = OPERATIONS.find((known) => OPERATION_NAMES[known] === type.value);
    refuse(type, `must be one of ${OPERATIONS.join(', ')}`, byName ?? nearest(type.value, OPERATIONS));
    if (command === undefined) return { problems };
  }
  if (type !== undefined && named !== undefined && command !== undefined && named !== command)
    refuse(type, `belongs to \`evolink ${named}\`, not to \`evolink ${command}\``);
  const frame = first ?? last;
  const hasList = Object.values(lists).some((list) => list !== undefined);
  const byMedia = frame !== undefined ? 'i2v' : hasList ? 'ref' : 't2v';
  const operation = command ?? named ?? operationOfModel(at.model?.value) ?? byMedia;

  if (frame !== undefined) {
    const list = ['images', 'image_urls'].find((key) => at[key] !== undefined);
    if (operation !== 'i2v') refuse(frame, 'is only for i2v; use images');
    else if (first === undefined) refuse(frame, 'needs the first frame too; give first');
    if (list !== undefined) refuse(frame, `and ${list} are the same images; leave one of the two out`);
    lists.images ??= [first, last].filter((each) => each !== undefined);
  }
  if (isObject(params?.value)) {
    checkKeys(params.value, MODEL_PARAMS_KEYS, 'model_params');
    const search = params.value.web_search;
    const inner = search === undefined ? undefined : placed(search, 'model_params', 'web_search');
    if (inner !== undefined && at.web_search !== undefined)
      refuse(at.web_search, `is given twice (also as ${inner.source})`);
    at.web_search = inner ?? at.web_search;
  } else if (params !== undefined) refuse(params, 'must be an object, such as {"web_search": true}');

  if (extra !== undefined && !isObject(extra.value)) refuse(extra, 'must be an object, such as {"seed": 7}');
  const more = isObject(extra?.value) ? Object.entries(extra.value) : [];
  const settings = NAMED_FIELDS.map(({ key, name, type: kind }): [string, unknown] => [
    name,
    kind === 'string[]' ? lists[name] : at[key],
  ]);
  if (more.length > 0)
    settings.push([
      'extra',
      Object.fromEntries(more.map(([key, held]) => [key, placed(held, 'extra', key)])),
    ]);
  return { draft: { ...Object.fromEntries(settings), operation }, problems };
}

/**
 * Reads the text of a duration flag: `8` or `8s` becomes the number 8. Any other text comes back as it is, so that
 * `resolveRequest` reports it together with everything else.
 */
export function coerceDuration(text: string): number | string {
  const match = /^\s*(-?\d{1,6})\s*s?\s*$/i.exec(text);
  return match?.[1] === undefined ? text : Number(match[1]);
}

/**
 * One draft from two: what `over` names wins (flags over a file, a job over its defaults), each value keeps its source. A
 * list of media replaces the other as a whole. `model` and `tier` are one choice: either in `over` replaces both below.
 */
export function mergeDrafts(over: RequestDraft, under: RequestDraft): RequestDraft {
  const { model, tier } = over.model !== undefined || over.tier !== undefined ? over : under;
  const given = Object.entries(over).filter(([, value]) => value !== undefined);
  const extra = over.extra || under.extra ? { ...under.extra, ...over.extra } : undefined;
  return { ...under, ...Object.fromEntries(given), operation: over.operation, model, tier, extra };
}

/** Reads `--set key=value`, whose value is JSON. */
export function readExtra(texts: readonly string[]): Pick<RequestDraft, 'extra'> & { problems: Problem[] } {
  const extra: [string, Sourced<unknown>][] = [];
  const problems: Problem[] = [];
  for (const text of texts) {
    const [, key = '', json = ''] = /^([^=\s]+)=(.*)$/s.exec(text) ?? [];
    try {
      extra.push([key, { value: JSON.parse(json), source: `--set ${key}` }]);
    } catch {
      const message = `must be key=value with a value in JSON, such as --set seed=7 or --set 'style="anime"'`;
      problems.push({ source: '--set', value: describeValue(text), message });
    }
  }
  return { extra: extra.length === 0 ? undefined : Object.fromEntries(extra), problems };
}
