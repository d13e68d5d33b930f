import { fileURLToPath } from 'node:url';

export const mediaFolder = fileURLToPath(new URL('../fixtures/media/', import.meta.url));

/** The path of a file in test/fixtures/media. */
export function fixture(name: string): string {
  return `${mediaFolder}${name}`;
}
