import { isFolder } from '../download/is-folder.ts';
import { planOutput } from '../download/plan-output.ts';
import type { OutputPlan } from '../download/types.ts';
import { EvolinkError } from '../errors.ts';
import type { Context } from './context.ts';
import type { Form } from './form.ts';
import { type OutputOptions, onExistingOf, SINGLE_FIELDS } from './prepare-job.ts';
import type { Session } from './session.ts';
import { checkVideoOnStdout } from './video-on-stdout.ts';

/** Where a clip goes, by what its record says, if there is one. */
export type PlaceClip = (stored?: OutputPlan) => Promise<OutputPlan>;

export interface PlaceOptions {
  readonly options: OutputOptions;
  readonly form: Form;
  /** How many clips are to be saved. */
  readonly count: number;
  /** Tasks were named one by one, not taken as they come. */
  readonly isNamed: boolean;
}

/**
 * Where the clips of earlier commands go: where this command line says, else where they were to go. Standard output and
 * "leave an existing file" were meant for the command that said so: its pipe is gone, and a clip that was paid for is to be
 * saved. Such a clip gets the name that it would have had without `-o`.
 * @throws EvolinkError `usage` for one place and several clips, and as `checkVideoOnStdout`
 */
export async function planPlaces(
  context: Context,
  { settings }: Session,
  { options, form, count, isNamed }: PlaceOptions,
): Promise<PlaceClip> {
  const { output } = options;
  const common = { cwd: context.cwd, onExisting: onExistingOf(options), isFolder, fields: SINGLE_FIELDS };
  if (output !== undefined) {
    const plan = await planOutput({ ...common, output });
    if (plan.kind === 'stdout') checkVideoOnStdout(context.io, form);
    const isOneFile = plan.kind === 'stdout' || !plan.pattern.includes('{');
    if (plan.kind === 'stdout' && !isNamed) throw needsTask();
    if (isOneFile && count > 1) throw tooMany(output, count);
    return async () => plan;
  }
  const configured = settings.output.value === '-' ? undefined : settings.output.value;
  return async (stored) => {
    if (stored?.kind !== 'file') return planOutput({ ...common, output: configured });
    return { ...stored, onExisting: onExistingNow(options, stored) };
  };
}

function onExistingNow(options: OutputOptions, stored: Extract<OutputPlan, { kind: 'file' }>) {
  const asked = onExistingOf(options);
  return asked === 'refuse' && stored.onExisting === 'overwrite' ? 'overwrite' : asked;
}

function needsTask(): EvolinkError {
  return new EvolinkError('usage', '-o - is for the clip of one task, and none is named', {
    hint: 'evolink status lists the ids; to save all to files, leave out -o -',
    charged: 'no',
  });
}

function tooMany(output: string, count: number): EvolinkError {
  return new EvolinkError('usage', `-o "${output}" is one place for ${count} clips`, {
    hint: 'name a folder or a template: -o clips/ or -o "clips/{id}.mp4"',
    charged: 'no',
  });
}
