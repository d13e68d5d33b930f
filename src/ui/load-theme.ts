import type { OutputStream } from '../platform/io.ts';
import { createTheme, type Theme } from './theme.ts';

/** The theme of a stream. Chalk is loaded only where the stream shows colour. */
export async function loadTheme(
  stream: Pick<OutputStream, 'colorLevel'>,
  isUnicode: boolean,
): Promise<Theme> {
  if (stream.colorLevel === 0) return createTheme({ isUnicode });
  const { Chalk } = await import('chalk');
  return createTheme({ chalk: new Chalk({ level: stream.colorLevel }), isUnicode });
}
