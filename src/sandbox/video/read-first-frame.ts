import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../../platform/run-command.ts';

const TIME_LIMIT_MS = 10_000;

/**
 * The first picture of a clip (MP4 or MOV) as a PNG, upright, by the `ffmpeg` of this machine: no small library decodes
 * what cameras and editors write (H.264 High, HEVC). Undefined where there is none, or it can't decode the clip in 10 s.
 */
export async function readFirstFrame(clipPath: string, maxSidePx: number): Promise<Uint8Array | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'evolink-frame-')).catch(() => undefined);
  if (folder === undefined) return undefined;
  try {
    const scale = `scale='min(${maxSidePx},iw)':'min(${maxSidePx},ih)':force_original_aspect_ratio=decrease`;
    // One demuxer and local files only: what looks like a clip must not make it open anything else.
    const input = ['-protocol_whitelist', 'file', '-f', 'mov', '-i', clipPath];
    const output = ['-map', '0:v:0', '-frames:v', '1', '-vf', scale, '-threads', '1', 'frame.png'];
    // In a folder of its own, as Windows looks for programs where it is first.
    const { exitCode } = await runCommand(['ffmpeg', '-v', 'error', '-nostdin', ...input, ...output], {
      timeoutMs: TIME_LIMIT_MS,
      cwd: folder,
    });
    return exitCode === 0 ? await readFile(join(folder, 'frame.png')) : undefined;
  } catch {
    return undefined;
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}
