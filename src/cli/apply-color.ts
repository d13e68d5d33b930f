import type { Setting } from '../config/settings.ts';
import type { Io, OutputStream } from '../platform/io.ts';

/**
 * The streams with what the config says of colour. It is weaker than flag and environment, which the streams know
 * already, and stronger than what kind of stream it is.
 */
export function applyColor(
  io: Io,
  setting: Setting<boolean | undefined>,
  env: Readonly<Record<string, string | undefined>>,
): Io {
  const isDecided =
    setting.level === 'flag' || Boolean(env.NO_COLOR || env.FORCE_COLOR || env.CLICOLOR_FORCE);
  if (setting.value === undefined || isDecided) return io;
  const change = (stream: OutputStream): OutputStream => ({
    ...stream,
    colorLevel: setting.value === true ? stream.colorLevel || 1 : 0,
  });
  return { ...io, stdout: change(io.stdout), stderr: change(io.stderr) };
}
