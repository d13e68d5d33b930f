import type { Problem, Sourced } from './types.ts';

export type KeyPath = readonly (string | number)[];
export type Body = Readonly<Record<string, unknown>>;

/** What the parts of the body reader share. */
export interface BodyReader {
  readonly body: Body;
  readonly problems: Problem[];
  readonly describe: (keyPath: KeyPath) => string;
  /** The value of a key with its place; undefined where the body does not have the key. */
  readonly at: (key: string) => Sourced<unknown> | undefined;
}

/** A key path as people write it: `model_params.web_search`, `image_urls[0]`. */
export function describeKeyPath(keyPath: KeyPath): string {
  return keyPath.reduce<string>((path, key) => {
    if (typeof key === 'number') return `${path}[${key}]`;
    return path === '' ? key : `${path}.${key}`;
  }, '');
}

export function createBodyReader(body: Body, describe: (keyPath: KeyPath) => string): BodyReader {
  const at = (key: string): Sourced<unknown> | undefined =>
    Object.hasOwn(body, key) && body[key] !== undefined
      ? { value: body[key], source: describe([key]) }
      : undefined;
  return { body, problems: [], describe, at };
}
