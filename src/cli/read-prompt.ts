import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { describeFsError } from '../platform/fs-error.ts';
import type { Sourced } from '../request/types.ts';
import type { Context } from './context.ts';

export interface PromptSources {
  readonly positional?: string | undefined;
  readonly prompt?: string | undefined;
  readonly promptFile?: string | undefined;
}

const MAX_PROMPT_BYTES = 1024 * 1024;

/**
 * The prompt from the one place that names it: argument, `--prompt`, `--prompt-file`, or standard input as `-`.
 * A final line break of a file or of standard input is no part of it.
 * @throws EvolinkError `usage` when several places name one, or the file can't be read
 */
export async function readPrompt(
  context: Context,
  sources: PromptSources,
): Promise<Sourced<string> | undefined> {
  const given = [
    { source: 'prompt', value: sources.positional },
    { source: '--prompt', value: sources.prompt },
    { source: '--prompt-file', value: sources.promptFile },
  ].flatMap(({ source, value }) => (value === undefined ? [] : [{ source, value }]));
  const [only, ...others] = given;
  if (only === undefined) return undefined;
  if (others.length > 0) {
    const names = given.map(({ source }) => (source === 'prompt' ? 'the argument' : source)).join(' and ');
    throw new EvolinkError('usage', `the prompt is given more than once: by ${names}`, {
      hint: 'give it exactly once; quote it if it has several words: evolink t2v "a paper boat on a lake"',
    });
  }
  if (only.value === '-') return { source: 'standard input', value: chomp(await readStandardInput(context)) };
  if (only.source !== '--prompt-file') return only;
  return {
    source: `--prompt-file ${only.value}`,
    value: chomp(await readPromptFile(resolve(context.cwd, only.value))),
  };
}

async function readStandardInput(context: Context): Promise<string> {
  if (context.io.stdin.isTty)
    await context.io.stderr.write('reading the prompt from standard input; end with Ctrl-D\n');
  return context.io.stdin.readText();
}

async function readPromptFile(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new EvolinkError('usage', `the prompt file "${path}" can't be read: ${describeFsError(error)}`);
  }
  if (bytes.byteLength > MAX_PROMPT_BYTES) {
    throw new EvolinkError('usage', `the prompt file "${path}" is larger than 1 MiB: that is no prompt`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new EvolinkError('usage', `the prompt file "${path}" is not UTF-8 text`, {
      hint: 'save it as UTF-8',
    });
  }
}

function chomp(text: string): string {
  return text.replace(/\r?\n$/, '');
}
