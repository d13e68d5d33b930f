import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { fsErrorCode, localIoError } from '../platform/fs-error.ts';
import type { Invocation } from './flags.ts';
import { runInFrame } from './frame.ts';
import { readPage } from './topics.ts';

/** `evolink skill`: what an agent needs to know, as a skill file. An existing file is never replaced. */
export function runSkill({ context, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async ({ reporter }) => {
    const text = await readPage('skill');
    if (options.install === undefined) {
      await reporter.print('text', { text }, text);
      return 0;
    }
    const folder = resolve(context.cwd, options.install);
    const path = join(folder, 'SKILL.md');
    try {
      await mkdir(folder, { recursive: true });
      await writeFile(path, text, { flag: 'wx' });
    } catch (error) {
      if (fsErrorCode(error) === 'EEXIST') throw new EvolinkError('local-io', `"${path}" already exists`);
      throw localIoError(error, 'write', path);
    }
    await reporter.print('written', { path }, `${path}\n`);
    return 0;
  });
}
