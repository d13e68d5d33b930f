import { OUTPUT_FIELDS } from '../config/output-pattern.ts';
import { describeKeyPath, type KeyPath } from '../request/body.ts';
import type { Problem } from '../request/models.ts';
import { nearest } from '../request/problems.ts';
import { coerceDuration } from '../request/resolve.ts';
import type { JobObject } from './job-file.ts';
import { typeOfRequestKey } from './job-file-schema.ts';

/** The value of a variable, and where it stands. */
export interface Variable {
  readonly value: unknown;
  /** `vars.tone (jobs.yaml:4:3)`, `line 12 of products.csv`. */
  readonly place: () => string;
}

/** By name. A map, so that no name reaches into an object's prototype. */
export type Variables = ReadonlyMap<string, Variable>;

interface UnknownVariable {
  readonly name: string;
  readonly suggestion?: string | undefined;
}

export interface Filled {
  /** The text with its variables filled in; where the text is one variable and nothing else, the value itself. */
  readonly value: unknown;
  /** The variables that were used, in order. */
  readonly used: readonly Variable[];
  readonly unknown: readonly UnknownVariable[];
}

const REFERENCE = /\{\{([^{}]*)\}\}/g;
const ONLY_REFERENCE = /^\{\{([^{}]*)\}\}$/;

/** Says whether a text names a variable. */
function hasVariable(text: string): boolean {
  return text.includes('{{') && text.search(REFERENCE) >= 0;
}

/** The names in a text, in order. */
export function variableNames(text: string): readonly string[] {
  return [...text.matchAll(REFERENCE)].map(([, name = '']) => name.trim());
}

/**
 * Fills in every `{{name}}`; `{{row.name}}` reaches into an object. Values are not filled in themselves. Pure.
 * @param toText how a value is written inside of the text; with it the result is always text
 */
export function fillVariables(
  text: string,
  variables: Variables,
  toText?: (value: unknown) => string,
): Filled {
  const used: Variable[] = [];
  const unknown: UnknownVariable[] = [];
  const look = (name: string): Variable | undefined => {
    const found = lookUp(name, variables);
    if (found === undefined) unknown.push({ name, suggestion: nearest(name, [...variables.keys()]) });
    else used.push(found);
    return found;
  };
  const only = toText === undefined ? ONLY_REFERENCE.exec(text.trim())?.[1] : undefined;
  if (only !== undefined) return { value: look(only.trim())?.value, used, unknown };
  const value = text.replace(REFERENCE, (_match, name: string) => {
    const found = look(name.trim());
    return found === undefined ? '' : (toText ?? valueText)(found.value);
  });
  return { value, used, unknown };
}

/** A value inside of a text. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function lookUp(name: string, variables: Variables): Variable | undefined {
  const whole = variables.get(name);
  if (whole !== undefined) return whole;
  const [head = '', ...path] = name.split('.');
  const start = path.length === 0 ? undefined : variables.get(head);
  if (start === undefined) return undefined;
  let value = start.value;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Object.entries(value).find(([own]) => own === key)?.[1];
  }
  return { value, place: start.place };
}

export interface JobFiller {
  /** The request keys with every variable filled in. */
  fillRequest(value: JobObject): JobObject;
  /** One text; `toText` writes a value inside of it. */
  fillText(text: string, keyPath: KeyPath, toText?: (value: unknown) => string): unknown;
  /** Where a key stands, and where the values come from that were filled into it. */
  readonly describe: (keyPath: KeyPath) => string;
  readonly problems: readonly Problem[];
}

/** Fills the variables of one job in, and remembers where each came from. */
export function createJobFiller(variables: Variables, place: (keyPath: KeyPath) => string): JobFiller {
  const problems: Problem[] = [];
  // Made when first needed: most jobs of a large file fill nothing in.
  let origins: Map<string, readonly (() => string)[]> | undefined;

  function describe(keyPath: KeyPath): string {
    const from = origins?.get(describeKeyPath(keyPath)) ?? [];
    const places = [...new Set(from.map((origin) => origin()))];
    return places.length === 0 ? place(keyPath) : `${place(keyPath)}, filled in from ${places.join(' and ')}`;
  }

  function report({ unknown }: Filled, keyPath: KeyPath): void {
    for (const { name, suggestion } of unknown) {
      problems.push({
        source: place(keyPath),
        value: `{{${name}}}`,
        message: unknownMessage(name, keyPath, variables),
        ...(suggestion === undefined ? {} : { suggestion: `{{${suggestion}}}` }),
      });
    }
  }

  function fillText(text: string, keyPath: KeyPath, toText?: (value: unknown) => string): unknown {
    if (!hasVariable(text)) return text;
    const filled = fillVariables(text, variables, toText);
    report(filled, keyPath);
    if (filled.used.length > 0) {
      origins ??= new Map();
      origins.set(
        describeKeyPath(keyPath),
        filled.used.map(({ place: origin }) => origin),
      );
    }
    return filled.value;
  }

  function fill(value: unknown, keyPath: KeyPath): unknown {
    if (typeof value === 'string') return fillText(value, keyPath);
    if (Array.isArray(value)) return value.map((item: unknown, index) => fill(item, [...keyPath, index]));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, fill(inner, [...keyPath, key])]),
    );
  }

  return {
    problems,
    describe,
    fillText,
    fillRequest: (value) =>
      Object.fromEntries(
        Object.entries(value).map(([key, raw]) => {
          const filled = fill(raw, [key]);
          return [key, filled === raw ? raw : toWantedType(key, filled)];
        }),
      ),
  };
}

/** Tables hold text only: where a key wants a number or a truth value, text that says one becomes it. */
function toWantedType(key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const type = typeOfRequestKey(key);
  if (type === 'integer') return coerceDuration(value.trim());
  if (type !== 'boolean') return value;
  const word = value.trim().toLowerCase();
  return word === 'true' ? true : word === 'false' ? false : value;
}

function unknownMessage(name: string, keyPath: KeyPath, variables: Variables): string {
  if (keyPath.at(-1) === 'output' && OUTPUT_FIELDS.some((field) => field === name)) {
    return `is a field of the output, which takes single braces: {${name}}`;
  }
  const known = [...variables.keys()];
  if (known.length === 0) return 'is not a variable: the job has no vars, matrix or for_each';
  return `is not a variable here; known are ${known.slice(0, 20).join(', ')}`;
}
