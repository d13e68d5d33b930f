import { OUTPUT_FIELDS } from '../config/output-pattern.ts';
import { describeKeyPath, type KeyPath, type Locate } from '../request/body.ts';
import type { Problem } from '../request/models.ts';
import { describeValue, nearest } from '../request/problems.ts';
import { coerceDuration } from '../request/resolve.ts';
import type { JobObject } from './job-file.ts';
import { typeOfRequestKey } from './job-file-schema.ts';

/** The value of a variable, and where it stands. */
export interface Variable {
  readonly value: unknown;
  /** `vars.tone (jobs.yaml:4:3)`, `products.csv:12`. */
  readonly place: () => string;
}

/** By name. A map, so that no name reaches into an object's prototype. */
export type Variables = Pick<ReadonlyMap<string, Variable>, 'get'> & { keys(): Iterable<string> };

const REFERENCE = /\{\{([^{}]*)\}\}/g;
const ONLY_REFERENCE = /^\{\{([^{}]*)\}\}$/;
/** Variables may use variables, so deep. */
const MAX_DEPTH = 8;
/** More than any prompt: values that double each other end here. */
const MAX_CHARACTERS = 200_000;

/** The names in a text, in order. */
export function variableNames(text: string): readonly string[] {
  return [...text.matchAll(REFERENCE)].map(([, name = '']) => name.trim());
}

/** A value inside of a text. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

export interface JobFiller {
  /** The request keys with every variable filled in. */
  fillRequest(value: JobObject): JobObject;
  /** One text; `toText` writes a value inside of it, and makes the result text whatever the value is. */
  fillText(text: string, keyPath: KeyPath, toText?: (value: unknown) => string): unknown;
  /** Where a key stands, and where the values come from that were filled into it. */
  readonly locate: Locate;
  readonly problems: readonly Problem[];
}

/** One text that is being filled in. */
interface Filling {
  /** The variables that were used. */
  readonly used: Set<Variable>;
  /** The variables inside of whose values this text stands. */
  readonly trail: readonly string[];
  readonly report: (template: string, message: string, suggestion?: string) => void;
}

/**
 * Fills in every `{{name}}` of one job, and remembers where each value came from; `{{row.name}}` reaches into an object. A
 * template that is left over is a problem: nobody means to pay for a clip of `{{name}}`.
 */
export function createJobFiller(variables: Variables, place: Locate): JobFiller {
  const problems: Problem[] = [];
  // Both are made when first needed: most jobs of a large file fill nothing in.
  let origins: Map<string, readonly Variable[]> | undefined;
  let resolved: Map<string, unknown> | undefined;

  /** The value of a variable with its own variables filled in; nothing where that can't be done. */
  function resolveVariable(name: string, filling: Filling): unknown {
    const { used, trail, report } = filling;
    const found = lookUp(name, variables);
    if (found === undefined) {
      const user = trail.length === 0 ? '' : `, and {{${trail.at(-1)}}} uses it`;
      report(`{{${name}}}`, `${unknownMessage(variables)}${user}`, nearest(name, [...variables.keys()]));
      return undefined;
    }
    used.add(found.variable);
    if (!hasTemplate(found.value)) return found.value;
    if (resolved?.has(name)) return resolved.get(name);
    if (trail.includes(name)) {
      const circle = [...trail.slice(trail.indexOf(name)), name].map((each) => `{{${each}}}`).join(' uses ');
      report(`{{${name}}}`, `goes round in a circle: ${circle}`);
      return undefined;
    }
    if (trail.length >= MAX_DEPTH) {
      report(`{{${trail[0]}}}`, `uses variables that use variables, more than ${MAX_DEPTH} deep`);
      return undefined;
    }
    const inner = { ...filling, trail: [...trail, name] };
    const value = mapTexts(found.value, [], (text) => fillTemplate(text, inner));
    resolved ??= new Map();
    resolved.set(name, value);
    return value;
  }

  function fillTemplate(text: string, filling: Filling, toText?: (value: unknown) => string): unknown {
    const { trail, report } = filling;
    const only = toText === undefined ? ONLY_REFERENCE.exec(text.trim())?.[1] : undefined;
    if (only !== undefined) return resolveVariable(only.trim(), filling);
    const rest = text.replace(REFERENCE, '');
    if (rest.includes('{{')) {
      const isClosed = rest.includes('}}', rest.indexOf('{{'));
      report(
        text,
        isClosed
          ? 'has braces inside of {{ }}, where the name of a variable belongs'
          : 'has a {{ that is never closed by }}',
      );
    }
    const filled = text.replace(REFERENCE, (_match, name: string) =>
      (toText ?? valueText)(resolveVariable(name.trim(), filling)),
    );
    if (filled.length <= MAX_CHARACTERS) return filled;
    const template = trail[0] === undefined ? text : `{{${trail[0]}}}`;
    report(template, `is longer than ${MAX_CHARACTERS} characters with its variables filled in`);
    return '';
  }

  function fillText(text: string, keyPath: KeyPath, toText?: (value: unknown) => string): unknown {
    if (!text.includes('{{')) return text;
    const used = new Set<Variable>();
    const report: Filling['report'] = (template, message, suggestion) =>
      problems.push({
        ...place(keyPath),
        value: describeValue(template),
        message: fieldMessage(template, keyPath) ?? message,
        ...(suggestion === undefined ? {} : { suggestion: `{{${suggestion}}}` }),
      });
    const value = fillTemplate(text, { used, trail: [], report }, toText);
    origins ??= new Map();
    origins.set(describeKeyPath(keyPath), [...used]);
    return value;
  }

  return {
    problems,
    locate(keyPath) {
      const origin = place(keyPath);
      const from = origins?.get(describeKeyPath(keyPath)) ?? [];
      const places = [...new Set(from.map((variable) => variable.place()))];
      if (places.length === 0) return origin;
      return { ...origin, source: `${origin.source}, filled in from ${places.join(' and ')}` };
    },
    fillText,
    fillRequest: (value) =>
      Object.fromEntries(
        Object.entries(value).map(([key, raw]) => {
          const filled = mapTexts(raw, [key], fillText);
          return [key, filled === raw ? raw : toWantedType(key, filled)];
        }),
      ),
  };
}

/** A value of YAML or JSON with each text in it replaced. */
function mapTexts(
  value: unknown,
  keyPath: KeyPath,
  map: (text: string, keyPath: KeyPath) => unknown,
): unknown {
  if (typeof value === 'string') return map(value, keyPath);
  if (Array.isArray(value))
    return value.map((item: unknown, index) => mapTexts(item, [...keyPath, index], map));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, mapTexts(inner, [...keyPath, key], map)]),
  );
}

function hasTemplate(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('{{');
  return typeof value === 'object' && value !== null && Object.values(value).some(hasTemplate);
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

/** The fields of an output take single braces. */
function fieldMessage(template: string, keyPath: KeyPath): string | undefined {
  const name = ONLY_REFERENCE.exec(template)?.[1];
  if (keyPath.at(-1) !== 'output' || !OUTPUT_FIELDS.some((field) => field === name)) return undefined;
  return `is a field of the output, which takes single braces: {${name}}`;
}

function unknownMessage(variables: Variables): string {
  const known = [...variables.keys()];
  if (known.length === 0) return 'is not a variable: the job has no vars, matrix or for_each';
  return `is not a variable here; known are ${known.slice(0, 20).join(', ')}`;
}

function lookUp(
  name: string,
  variables: Variables,
): { readonly variable: Variable; readonly value: unknown } | undefined {
  const whole = variables.get(name);
  if (whole !== undefined) return { variable: whole, value: whole.value };
  const [head = '', ...path] = name.split('.');
  const variable = path.length === 0 ? undefined : variables.get(head);
  if (variable === undefined) return undefined;
  let { value } = variable;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Object.entries(value).find(([own]) => own === key)?.[1];
  }
  return { variable, value };
}
