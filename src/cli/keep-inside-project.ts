import { dirname } from 'node:path';
import type { ResolvedConfig } from '../config/resolve-config.ts';
import type { OutputFields, OutputPlan } from '../download/types.ts';
import { EvolinkError } from '../errors.ts';
import { findOutside } from './find-outside.ts';

export interface ProjectOutput {
  readonly plan: OutputPlan;
  /** The setting that the plan comes from. */
  readonly setting: ResolvedConfig['output'];
  /** Absolute path of the project file. */
  readonly projectPath: string | undefined;
  /** What is known of the fields by now. */
  readonly fields: OutputFields;
}

/**
 * An output of a project file stays below the file's folder, also where links really lead: a repository from somebody else
 * must not decide where on the disk files are written. (What the words alone say is judged when the file is read.)
 * @throws EvolinkError `usage`
 */
export async function keepInsideProject({
  plan,
  setting,
  projectPath,
  fields,
}: ProjectOutput): Promise<void> {
  if (setting.level !== 'project' || projectPath === undefined) return;
  const outside = await findOutside(plan, dirname(projectPath), fields);
  if (outside === undefined) return;
  const { folder, root } = outside;
  throw new EvolinkError(
    'usage',
    `output from ${setting.source} leads through a link to "${folder}", out of ${root}: a project file may only write below its own folder`,
    { hint: `if you trust it, name the place yourself: -o "${folder}/"`, charged: 'no' },
  );
}
