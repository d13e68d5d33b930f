import { OUTPUT_FIELDS } from '../config/output.ts';
import { coerceDuration } from '../request/draft.ts';
import { FIELDS } from '../request/fields.ts';
import type { Problem } from '../request/models.ts';
import { describeValue, type JobObject, type KeyPath, type Locate, nearest } from '../request/problems.ts';

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
  readonly keyPath: KeyPath;
  /** How a value is written inside of a text; the result is text then, whatever the value is. */
  readonly toText?: ((value: unknown) => string) | undefined;
}

function parseTemplate(text: string, keyPath: KeyPath, toText?: Template['toText']): Template {
  const pieces = text.split(REFERENCE).map((piece, index) => (index % 2 === 1 ? piece.trim() : piece));
  const rest = pieces.filter((_piece, index) => index % 2 === 0).join('');
  const only = pieces.length === 3 && rest.trim() === '' && toText === undefined ? pieces[1] : undefined;
  const open = rest.indexOf('{{');
  const fault = rest.includes('}}', open)
    ? 'has braces inside of {{ }}, where the name of a variable belongs'
    : 'has a {{ that is never closed by }}';
  return { text, pieces, only, fault: open < 0 ? undefined : fault, keyPath, toText };
}

/** The names in a text, in order. */
export function variableNames(text: string): readonly string[] {
  return [...text.matchAll(REFERENCE)].map(([, name = '']) => name.trim());
}

/** A value inside of a text. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Fills a value of YAML or JSON in for one job. */
type Fill = (filler: JobFiller) => unknown;

/** A value with `{{variables}}` in its texts, read once for all rows of its job; undefined where there are none. */
export function compile(value: unknown, keyPath: KeyPath, toText?: Template['toText']): Fill | undefined {
  if (typeof value === 'string') {
    if (!value.includes('{{')) return undefined;
    const template = parseTemplate(value, keyPath, toText);
    return (filler) => filler.fill(template);
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const entries = Object.entries(value);
  const fills = entries.map(([key, inner]) =>
    compile(inner, [...keyPath, Array.isArray(value) ? Number(key) : key]),
  );
  if (fills.every((fill) => fill === undefined)) return undefined;
  return (filler) => {
    const filled = entries.map(([key, inner], index) => [key, fills[index] ? fills[index](filler) : inner]);
    return Array.isArray(value) ? filled.map(([, inner]) => inner) : Object.fromEntries(filled);
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

/**
 * Fills in every `{{name}}` of one job; `{{row.name}}` reaches into an object. A template that is left over is a problem:
 * nobody means to pay for a clip of `{{name}}`.
 */
export class JobFiller {
  readonly problems: Problem[] = [];
  /** What `{{name}}` may stand for. */
  readonly #values: JobObject;
  readonly #locate: Locate;
  #resolved: Map<string, unknown> | undefined;

  constructor(values: JobObject, locate: Locate) {
    this.#values = values;
    this.#locate = locate;
  }

  /** @param trail the variables inside of whose values the text stands */
  fill(template: Template, trail: readonly string[] = []): unknown {
    const { text, pieces, only, fault, toText = valueText } = template;
    if (only !== undefined) return this.#resolve(only, template, trail);
    if (fault !== undefined) this.#report(text, fault, template);
    let filled = '';
    for (const [index, piece] of pieces.entries())
      filled += index % 2 === 0 ? piece : toText(this.#resolve(piece, template, trail));
    if (filled.length <= MAX_CHARACTERS) return filled;
    const culprit = trail[0] === undefined ? text : `{{${trail[0]}}}`;
    this.#report(
      culprit,
      `is longer than ${MAX_CHARACTERS} characters with its variables filled in`,
      template,
    );
    return '';
  }

  /** The variables that a value uses, and those that they use. */
  variablesIn(value: unknown, found: Set<string> = new Set()): ReadonlySet<string> {
    const names = typeof value === 'string' ? variableNames(value) : [];
    if (typeof value === 'object' && value !== null)
      for (const inner of Object.values(value)) this.variablesIn(inner, found);
    for (const name of names) {
      const known = lookUp(name, this.#values);
      if (known === undefined || found.has(known.variable)) continue;
      found.add(known.variable);
      this.variablesIn(known.value, found);
    }
    return found;
  }

  /** The value of a variable with its own variables filled in; nothing where that can't be done. */
  #resolve(name: string, template: Template, trail: readonly string[]): unknown {
    const refuse = (of: string, message: string, suggestion?: string): undefined =>
      this.#report(`{{${of}}}`, message, template, suggestion);
    const found = lookUp(name, this.#values);
    if (found === undefined) {
      const user = trail.length === 0 ? '' : `, and {{${trail.at(-1)}}} uses it`;
      const known = Object.keys(this.#values);
      const message =
        known.length === 0
          ? 'is not a variable: the job has no vars, matrix or for_each'
          : `is not a variable here; known are ${known.slice(0, 20).join(', ')}`;
      return refuse(name, `${message}${user}`, nearest(name, known));
    }
    if (!hasTemplate(found.value)) return found.value;
    if (this.#resolved?.has(name) === true) return this.#resolved.get(name);
    if (trail.includes(name)) {
      const circle = [...trail.slice(trail.indexOf(name)), name].map((each) => `{{${each}}}`).join(' uses ');
      return refuse(name, `goes round in a circle: ${circle}`);
    }
    if (trail.length >= MAX_DEPTH)
      return refuse(trail[0] ?? name, `uses variables that use variables, more than ${MAX_DEPTH} deep`);
    const inner = [...trail, name];
    const value = mapTexts(found.value, (text) => this.fill(parseTemplate(text, template.keyPath), inner));
    this.#resolved ??= new Map();
    this.#resolved.set(name, value);
    return value;
  }

  #report(template: string, message: string, { keyPath }: Template, suggestion?: string): undefined {
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
function lookUp(name: string, values: JobObject): { variable: string; value: unknown } | undefined {
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
