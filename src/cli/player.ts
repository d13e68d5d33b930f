import { join } from 'node:path';
import { verifyVideo } from '../download/verify.ts';
import { EvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { runCommand } from '../platform/process.ts';

/** How each system opens a file; never through a shell. Windows looks for a bare name in the working folder first. */
function playerOf({ platform, env }: Pick<Context, 'platform' | 'env'>): string {
  if (platform === 'win32') return join(env.SystemRoot || 'C:\\Windows', 'explorer.exe');
  return platform === 'darwin' ? 'open' : 'xdg-open';
}

/**
 * Shows a clip in the system's player, once it is known to be a video.
 * @throws EvolinkError `local-io`
 */
export async function openClip(path: string, system: Pick<Context, 'platform' | 'env'>): Promise<void> {
  const verdict = await verifyVideo(path);
  if ('doubt' in verdict)
    throw new EvolinkError('local-io', `"${path}" is not opened as a video: ${verdict.doubt}`);
  const player = playerOf(system);
  const { exitCode } = await runCommand([player, path]);
  // The explorer says 1 whatever happens.
  if (exitCode !== 0 && system.platform !== 'win32')
    throw new EvolinkError('local-io', `${player} could not open "${path}" (exit ${exitCode})`);
}
