import { dirname } from 'node:path';
import { fillPattern } from '../download/fill-pattern.ts';
import type { OutputFields, OutputPlan } from '../download/types.ts';
import { isInside } from '../platform/is-inside.ts';
import { realFolder } from '../platform/real-folder.ts';

export interface OutsideFolder {
  /** Where the clip really goes. */
  readonly folder: string;
  /** Where the folder that it should stay below really is. */
  readonly root: string;
}

/** The real folder of an output that leads out of a folder, by its words or through a link; undefined where it stays. */
export async function findOutside(
  plan: OutputPlan,
  baseFolder: string,
  fields: OutputFields,
): Promise<OutsideFolder | undefined> {
  if (plan.kind === 'stdout') return undefined;
  const wanted = dirname(fillPattern(plan, fields, (field) => `{${field}}`));
  const [root, folder] = await Promise.all([realFolder(baseFolder), realFolder(wanted)]);
  return isInside(root, folder) ? undefined : { folder, root };
}
