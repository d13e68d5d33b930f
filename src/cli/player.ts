import { verifyVideo } from '../download/verify.ts';
import { EvolinkError } from '../errors.ts';
import { runCommand } from '../platform/process.ts';

/** How each system opens a file; never through a shell. */
const PLAYERS: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'open', win32: 'explorer.exe' };

/**
 * Shows a clip in the system's player, once it is known to be a video.
 * @throws EvolinkError `local-io`
 */
export async function openClip(path: string, platform: NodeJS.Platform): Promise<void> {
  const verdict = await verifyVideo(path);
  if ('doubt' in verdict)
    throw new EvolinkError('local-io', `"${path}" is not opened as a video: ${verdict.doubt}`);
  const player = PLAYERS[platform] ?? 'xdg-open';
  const { exitCode } = await runCommand([player, path]);
  // The explorer says 1 whatever happens.
  if (exitCode !== 0 && platform !== 'win32')
    throw new EvolinkError('local-io', `${player} could not open "${path}" (exit ${exitCode})`);
}
