import { nearest } from '../request/nearest.ts';

/** The value of a variable, and where it stands. */
export interface Variable {
  readonly value: unknown;
  /** `vars.tone (jobs.yaml:4:3)`, `line 12 of products.csv`. */
  readonly place: () => string;
}

/** By name. A map, so that no name reaches into an object's prototype. */
export type Variables = ReadonlyMap<string, Variable>;

export interface UnknownVariable {
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
export function hasVariable(text: string): boolean {
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
