import { once } from 'node:events';
import { EvolinkError } from '../errors.ts';
import { verifyClip } from '../media/inspect.ts';
import type { Context } from '../platform/context.ts';
import { dropKeys } from '../platform/process.ts';

/** A player may stay for as long as it is looked at; what can't be opened is known before. */
const SETTLED_MS = 2_000;

/**
 * Shows a clip in the system's player, once it is known to be a video.
 * @throws EvolinkError `local-io`
 */
export async function openClip(path: string, { secrets }: Pick<Context, 'secrets'>): Promise<void> {
  const verdict = await verifyClip(path);
  if ('doubt' in verdict)
    throw new EvolinkError('local-io', `"${path}" is not opened as a video: ${verdict.doubt}`);
  const { default: open } = await import('open');
  // The player is given the environment as it is.
  dropKeys(secrets);
  const player = await open(path).catch((error: Error) => {
    throw new EvolinkError('local-io', `could not open "${path}": ${error.message}`);
  });
  player.ref();
  const signal = AbortSignal.timeout(SETTLED_MS);
  const ended: unknown[] =
    player.exitCode === null ? await once(player, 'exit', { signal }).catch(() => []) : [];
  player.unref();
  const [exitCode = player.exitCode] = ended;
  if (exitCode)
    throw new EvolinkError('local-io', `${player.spawnfile} could not open "${path}" (exit ${exitCode})`);
}
