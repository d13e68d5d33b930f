import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configDocument, configTemplate, describeConfig } from '../config/describe.ts';
import { PROJECT_FILE_NAME } from '../config/load.ts';
import { EvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { fsErrorCode, localIoError } from '../platform/fs-error.ts';
import { toHumanPath } from '../platform/text.ts';
import { formatTable } from '../ui/table.ts';
import { flagsOfSetting } from './flags.ts';
import type { FormOptions } from './form.ts';
import { runInFrame } from './frame.ts';

/** `evolink config`: every setting, its value and its source. No command is run and no key is sent. */
export function runConfig(context: Context, options: FormOptions): Promise<number> {
  return runInFrame(context, { form: options }, async ({ session, reporter }) => {
    const { config, keyPlace } = session;
    const stateFolder = { ...session.settings.stateFolder, value: session.stateFolder };
    const rows = describeConfig({ ...session.settings, stateFolder }, { place: keyPlace });
    const files = { project: config.locations.projectPath, user: config.locations.userPath };
    const table = formatTable(
      [{ header: 'setting' }, { header: 'value' }, { header: 'from' }],
      rows.map(({ key, text, source }) => [key, text, source]),
      context.io.stdout.isTty ? { width: context.io.stdout.columns() } : {},
    );
    await reporter.print('config', configDocument(rows, files), `${table}\n`);
    return 0;
  });
}

/** `evolink config init`: a commented `.evolinkrc`; an existing one is never touched. */
export function runConfigInit(context: Context, options: FormOptions): Promise<number> {
  const path = join(context.cwd, PROJECT_FILE_NAME);
  return runInFrame(context, { form: options }, async ({ reporter }) => {
    try {
      // Others must not read what may soon hold a key.
      await writeFile(path, configTemplate(flagsOfSetting), { flag: 'wx', mode: 0o600 });
    } catch (error) {
      if (fsErrorCode(error) !== 'EEXIST') throw localIoError(error, 'write', path);
      throw new EvolinkError('local-io', `${path} already exists`, {
        hint: 'evolink help configuration',
      });
    }
    await reporter.print('written', { path }, `${toHumanPath(path)}\n`);
    return 0;
  });
}
