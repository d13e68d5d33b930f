import { OUTPUT_FIELDS } from '../download/types.ts';
import { describeKeyPath, type KeyPath } from '../request/body-reader.ts';
import { coerceDuration } from '../request/coerce-duration.ts';
import type { Problem } from '../request/types.ts';
import type { JobObject } from './job-document.ts';
import { typeOfRequestKey } from './job-keys.ts';
import { type Filled, fillVariables, hasVariable, type Variables } from './variables.ts';

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
