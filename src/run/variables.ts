import { OUTPUT_FIELDS } from '../config/output.ts';
import { coerceDuration, describeKeyPath, type KeyPath, type Locate } from '../request/draft.ts';
import { FIELDS } from '../request/fields.ts';
import type { Problem } from '../request/models.ts';
import { describeValue, nearest } from '../request/problems.ts';
import type { JobObject } from './job-file.ts';

/** What `{{name}}` may stand for in one job. */
export interface Scope {
  readonly values: JobObject;
  /** Where the value of a name stands: `vars.tone (jobs.yaml:4:3)`, `products.csv:12`. */
  readonly placeOf: (name: string) => string;
}

const REFERENCE = /\{\{([^{}]*)\}\}/g;
/** Variables may use variables, so deep. */
const MAX_DEPTH = 8;
/** More than any prompt: values that double each other end here. */
const MAX_CHARACTERS = 200_000;

/** A text in pieces: at odd places the names of variables. */
interface Template {
  readonly text: string;
  readonly pieces: readonly string[];
  /** The variable that is the whole text: its value keeps its type. */
  readonly only?: string | undefined;
  readonly fault?: string | undefined;
}

function parseTemplate(text: string): Template {
  const pieces = text.split(REFERENCE).map((piece, index) => (index % 2 === 1 ? piece.trim() : piece));
  const isOnly = pieces.length === 3 && `${pieces[0]}${pieces[2]}`.trim() === '';
  const rest = pieces.filter((_piece, index) => index % 2 === 0).join('');
  const open = rest.indexOf('{{');
  const fault =
    open < 0
      ? undefined
      : rest.includes('}}', open)
        ? 'has braces inside of {{ }}, where the name of a variable belongs'
        : 'has a {{ that is never closed by }}';
  return { text, pieces, only: isOnly ? pieces[1] : undefined, fault };
}

/** The names in a text, in order. */
export function variableNames(text: string): readonly string[] {
  return parseTemplate(text).pieces.filter((_piece, index) => index % 2 === 1);
}

/** A value inside of a text. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Fills a value of YAML or JSON in for one job. */
type Fill = (filler: JobFiller) => unknown;
/** How a value is written inside of a text; the result is text then, whatever the value is. */
type ToText = (value: unknown) => string;

/** A value with `{{variables}}` in its texts, read once for all rows of its job; undefined where there are none. */
export function compile(value: unknown, keyPath: KeyPath, toText?: ToText): Fill | undefined {
  if (typeof value === 'string') {
    if (!value.includes('{{')) return undefined;
    const template = parseTemplate(value);
    const path = describeKeyPath(keyPath);
    return (filler) => filler.fill(template, { keyPath, path, toText });
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const entries = Object.entries(value);
  const fills = entries.map(([key, inner]) =>
    compile(inner, [...keyPath, Array.isArray(value) ? Number(key) : key]),
  );
  if (fills.every((fill) => fill === undefined)) return undefined;
  const fillEntry = (filler: JobFiller) => (entry: [string, unknown], index: number) =>
    fills[index] === undefined ? entry[1] : fills[index](filler);
  if (Array.isArray(value)) return (filler) => entries.map(fillEntry(filler));
  return (filler) => {
    const values = entries.map(fillEntry(filler));
    return Object.fromEntries(entries.map(([key], index) => [key, values[index]]));
  };
}

/** The keys of a request; what a table holds as text becomes the type that its key wants. */
export function compileRequest(request: JobObject): (filler: JobFiller) => JobObject {
  const fills = Object.entries(request).flatMap(([key, value]) => {
    const fill = compile(value, [key]);
    return fill === undefined ? [] : [{ key, fill, type: FIELDS.find((row) => row.key === key)?.type }];
  });
  if (fills.length === 0) return () => request;
  return (filler) => {
    const filled: Record<string, unknown> = { ...request };
    for (const { key, fill, type } of fills) filled[key] = toWantedType(fill(filler), type);
    return filled;
  };
}

function toWantedType(value: unknown, type: string | undefined): unknown {
  if (typeof value !== 'string') return value;
  if (type === 'integer') return coerceDuration(value.trim());
  if (type !== 'boolean') return value;
  const word = value.trim().toLowerCase();
  return word === 'true' ? true : word === 'false' ? false : value;
}

/** One text of a job that is being filled in. */
interface Spot {
  readonly keyPath: KeyPath;
  readonly path: string;
  readonly toText?: ToText | undefined;
}

/**
 * Fills in every `{{name}}` of one job, and remembers where each value came from; `{{row.name}}` reaches into an object. A
 * template that is left over is a problem: nobody means to pay for a clip of `{{name}}`.
 */
export class JobFiller {
  readonly problems: Problem[] = [];
  readonly #scope: Scope;
  readonly #locate: Locate;
  /** The variables that each key used. */
  readonly #used = new Map<string, Set<string>>();
  #resolved: Map<string, unknown> | undefined;

  constructor(scope: Scope, locate: Locate) {
    this.#scope = scope;
    this.#locate = locate;
  }

  /** Where a key stands, and where the values come from that were filled into it. */
  locate(keyPath: KeyPath): ReturnType<Locate> {
    const origin = this.#locate(keyPath);
    const names = [...(this.#used.get(describeKeyPath(keyPath)) ?? [])];
    const places = [...new Set(names.map((name) => this.#scope.placeOf(name)))];
    if (places.length === 0) return origin;
    return { ...origin, source: `${origin.source}, filled in from ${places.join(' and ')}` };
  }

  /** @param trail the variables inside of whose values the text stands */
  fill(template: Template, spot: Spot, trail: readonly string[] = []): unknown {
    const toText = trail.length === 0 ? spot.toText : undefined;
    if (toText === undefined && template.only !== undefined) return this.#resolve(template.only, spot, trail);
    if (template.fault !== undefined) this.#report(template.text, template.fault, spot);
    const texts = template.pieces.map((piece, index) =>
      index % 2 === 0 ? piece : (toText ?? valueText)(this.#resolve(piece, spot, trail)),
    );
    const filled = texts.join('');
    if (filled.length <= MAX_CHARACTERS) return filled;
    const culprit = trail[0] === undefined ? template.text : `{{${trail[0]}}}`;
    this.#report(culprit, `is longer than ${MAX_CHARACTERS} characters with its variables filled in`, spot);
    return '';
  }

  /** The value of a variable with its own variables filled in; nothing where that can't be done. */
  #resolve(name: string, spot: Spot, trail: readonly string[]): unknown {
    const refuse = (of: string, message: string, suggestion?: string) =>
      this.#report(`{{${of}}}`, message, spot, suggestion);
    const { values } = this.#scope;
    const found = lookUp(name, values);
    if (found === undefined) {
      const user = trail.length === 0 ? '' : `, and {{${trail.at(-1)}}} uses it`;
      const known = Object.keys(values);
      const message =
        known.length === 0
          ? 'is not a variable: the job has no vars, matrix or for_each'
          : `is not a variable here; known are ${known.slice(0, 20).join(', ')}`;
      refuse(name, `${message}${user}`, nearest(name, known));
      return undefined;
    }
    const used = this.#used.get(spot.path) ?? new Set();
    this.#used.set(spot.path, used.add(found.variable));
    if (this.#resolved?.has(name) === true) return this.#resolved.get(name);
    if (!hasTemplate(found.value)) return found.value;
    if (trail.includes(name)) {
      const circle = [...trail.slice(trail.indexOf(name)), name].map((each) => `{{${each}}}`).join(' uses ');
      refuse(name, `goes round in a circle: ${circle}`);
      return undefined;
    }
    if (trail.length >= MAX_DEPTH) {
      refuse(trail[0] ?? name, `uses variables that use variables, more than ${MAX_DEPTH} deep`);
      return undefined;
    }
    const value = mapTexts(found.value, (text) => this.fill(parseTemplate(text), spot, [...trail, name]));
    this.#resolved ??= new Map();
    this.#resolved.set(name, value);
    return value;
  }

  #report(template: string, message: string, { keyPath }: Spot, suggestion?: string): void {
    const name = /^\{\{([^{}]*)\}\}$/.exec(template)?.[1];
    const isField = keyPath.at(-1) === 'output' && OUTPUT_FIELDS.some((field) => field === name);
    this.problems.push({
      ...this.#locate(keyPath),
      value: describeValue(template),
      message: isField ? `is a field of the output, which takes single braces: {${name}}` : message,
      ...(suggestion === undefined ? {} : { suggestion: `{{${suggestion}}}` }),
    });
  }
}

/** A value of YAML or JSON with each text in it replaced. */
function mapTexts(value: unknown, map: (text: string) => unknown): unknown {
  if (typeof value === 'string') return value.includes('{{') ? map(value) : value;
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, map));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mapTexts(inner, map)]));
}

function hasTemplate(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('{{');
  return typeof value === 'object' && value !== null && Object.values(value).some(hasTemplate);
}

/** `row.size.cm` is a variable of that name, or reaches into the object `row`. */
function lookUp(
  name: string,
  values: JobObject,
): { readonly variable: string; readonly value: unknown } | undefined {
  if (Object.hasOwn(values, name)) return { variable: name, value: values[name] };
  const [head = '', ...path] = name.split('.');
  if (path.length === 0 || !Object.hasOwn(values, head)) return undefined;
  let value = values[head];
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as JobObject)[key];
  }
  return { variable: head, value };
}
