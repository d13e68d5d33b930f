import { OUTPUT_FIELDS } from '../config/output.ts';
import { isJobObject } from '../request/draft.ts';
import type { Problem } from '../request/models.ts';
import { describeValue, type JobObject, type KeyPath, type Locate, nearest } from '../request/problems.ts';

const REFERENCE = /\{\{([^{}]*)\}\}/;
/** Variables may use variables, so deep. */
const MAX_DEPTH = 8;
/** More than any prompt: values that double each other end here. */
const MAX_CHARACTERS = 200_000;
const TOO_LONG = `is longer than ${MAX_CHARACTERS} characters with its variables filled in`;
/** More than anybody reads of one job. */
const MAX_PROBLEMS = 100;
const NO_PROBLEMS: readonly Problem[] = [];

/** A value inside of a text. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Says whether a value of YAML or JSON has something to fill in. */
export function hasTemplate(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('{{');
  return typeof value === 'object' && value !== null && Object.values(value).some(hasTemplate);
}

/** Lists that stand in others many times are measured once. */
const lengths = new WeakMap<object, number>();

/** About how long a value is when it is written out. */
function lengthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return valueText(value).length;
  const known = lengths.get(value);
  if (known !== undefined) return known;
  const parts = Array.isArray(value) ? value : Object.entries(value).flat();
  const length = parts.reduce<number>((sum, part) => sum + lengthOf(part) + 1, 1);
  lengths.set(value, length);
  return length;
}

/** A value of YAML or JSON with each text that has a `{{` replaced. */
function mapTexts(value: unknown, at: KeyPath, map: (text: string, at: KeyPath) => unknown): unknown {
  if (typeof value === 'string') return value.includes('{{') ? map(value, at) : value;
  if (Array.isArray(value)) return value.map((item, index) => mapTexts(item, [...at, index], map));
  if (!isJobObject(value)) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([key, inner]) => [key, mapTexts(inner, [...at, key], map)]));
}

/**
 * Fills in every `{{name}}` of one job; `{{row.name}}` reaches into an object. A template that is left over is a problem:
 * nobody means to pay for a clip of `{{name}}`.
 */
export class JobFiller {
  problems = NO_PROBLEMS;
  /** What `{{name}}` may stand for. */
  readonly #values: JobObject;
  readonly #locate: Locate;
  /** Gets the names of the variables that are used, also by variables. */
  readonly #used: Set<string> | undefined;
  /** Variables that use variables, each filled in once: they could double each other. */
  #filled: Map<string, unknown> | undefined;
  /** How many more characters variables may add to the value that is being filled in; below 0 the problem is reported. */
  #left = 0;

  constructor(values: JobObject, locate: Locate, used?: Set<string>) {
    this.#values = values;
    this.#locate = locate;
    this.#used = used;
  }

  /**
   * A value with all of its texts filled in. A text that is one variable becomes its value, of whatever type.
   * @param toText how a value is written inside of a text; the result is text then, whatever the value is
   */
  fill(value: unknown, keyPath: KeyPath, toText?: (value: unknown) => string): unknown {
    this.#left = MAX_CHARACTERS;
    const filled = mapTexts(value, keyPath, (text, at) => this.#fillText(text, at, [], toText));
    return this.#left < 0 ? undefined : filled;
  }

  /** @param trail the variables inside of whose values the text stands */
  #fillText(
    text: string,
    at: KeyPath,
    trail: readonly string[],
    toText?: (value: unknown) => string,
  ): unknown {
    // At odd places the names of variables.
    const pieces = text.split(REFERENCE);
    const [before = '', only = '', after = ''] = pieces;
    if (pieces.length === 3 && toText === undefined && `${before}${after}`.trim() === '')
      return this.#resolve(only, at, trail);
    let [filled, rest] = ['', ''];
    for (const [index, piece] of pieces.entries()) {
      if (index % 2 === 0) rest += piece;
      filled += index % 2 === 0 ? piece : (toText ?? valueText)(this.#resolve(piece, at, trail));
    }
    if (rest.includes('{{')) this.#report(text, 'has a {{ that is never closed by }}, or braces inside', at);
    if (filled.length <= MAX_CHARACTERS) return filled;
    this.#report(trail.length === 0 ? text : chain(trail), TOO_LONG, at);
    return '';
  }

  /** The value of a variable with its own variables filled in; nothing where that can't be done. */
  #resolve(piece: string, at: KeyPath, before: readonly string[]): unknown {
    if (this.#left < 0 || this.problems.length >= MAX_PROBLEMS) return undefined;
    const name = piece.trim();
    const found = lookUp(name, this.#values);
    if (found === undefined) {
      const known = Object.keys(this.#values);
      const isField = at.at(-1) === 'output' && OUTPUT_FIELDS.some((field) => field === name);
      const meant = nearest(name, known);
      const message = `is not a variable here (vars, matrix and for_each give them); known are ${known.slice(0, 20).join(', ') || 'none'}`;
      this.#report(chain([...before, name]), message, at, isField ? `{${name}}` : meant && `{{${meant}}}`);
      return undefined;
    }
    this.#used?.add(found.variable);
    const trail = [...before, name];
    const value = hasTemplate(found.value) ? this.#fillVariable(found.value, at, trail) : found.value;
    if (this.#left < 0) return undefined;
    this.#left -= lengthOf(value);
    if (this.#left >= 0) return value;
    this.#report(chain(trail), TOO_LONG, at);
    return undefined;
  }

  /** @param trail the variables inside of whose values this one is used, and at last its own name */
  #fillVariable(value: unknown, at: KeyPath, trail: readonly string[]): unknown {
    const name = trail.at(-1) ?? '';
    if (trail.indexOf(name) < trail.length - 1 || trail.length > MAX_DEPTH) {
      this.#report(chain(trail), `goes round in a circle, or is more than ${MAX_DEPTH} deep`, at);
      return undefined;
    }
    this.#filled ??= new Map();
    if (this.#filled.has(name)) return this.#filled.get(name);
    const left = this.#left;
    const filled = mapTexts(value, at, (text) => this.#fillText(text, at, trail));
    // What is in it counts with it, wherever it is used.
    if (this.#left >= 0) this.#left = left;
    this.#filled.set(name, filled);
    return filled;
  }

  #report(value: string, message: string, at: KeyPath, suggestion?: string): void {
    if (this.problems.length >= MAX_PROBLEMS) return;
    const problem = { ...this.#locate(at), value: describeValue(value), message, suggestion };
    this.problems = [...this.problems, problem];
  }
}

/** `{{a}} uses {{b}}`. */
const chain = (names: readonly string[]): string => names.map((name) => `{{${name}}}`).join(' uses ');

/** `row.size.cm` is a variable of that name, or reaches into the object `row`. */
function lookUp(name: string, values: JobObject): { variable: string; value: unknown } | undefined {
  if (Object.hasOwn(values, name)) return { variable: name, value: values[name] };
  const [variable = '', ...path] = name.split('.');
  let value: unknown = values;
  for (const key of [variable, ...path]) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as JobObject)[key];
  }
  return { variable, value };
}
