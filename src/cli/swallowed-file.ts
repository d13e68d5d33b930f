import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { RunInput } from './run-jobs.ts';

/**
 * `--force jobs.yaml`: a flag with an optional value takes the word after it. Where no job file is left and the word is a
 * file, it was meant as the job file, and `--force` as all of its jobs.
 */
export async function giveBackFile(input: RunInput, cwd: string): Promise<RunInput> {
  const { files, options } = input;
  const { force, init } = options;
  if (files.length > 0 || init !== undefined || force === undefined || force === true) return input;
  const areFiles = await Promise.all(force.map((word) => isFile(resolve(cwd, word))));
  const swallowed = force.filter((_word, index) => areFiles[index]);
  if (swallowed.length === 0) return input;
  return { files: swallowed, options: { ...options, force: true } };
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
