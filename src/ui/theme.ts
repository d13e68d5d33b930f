import type { ChalkInstance } from 'chalk';
import type { OutputStream } from '../platform/io.ts';

const UNICODE_SYMBOLS = {
  success: '✔',
  ellipsis: '…',
  times: '×',
  barDone: '█',
  barLeft: '░',
  spinner: ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'],
};

const ASCII_SYMBOLS: typeof UNICODE_SYMBOLS = {
  success: '+',
  ellipsis: '...',
  times: 'x',
  barDone: '#',
  barLeft: '-',
  spinner: ['-', '\\', '|', '/'],
};

/** Colours and glyphs. Neither ever carries a meaning that the words beside it do not. */
export type Theme = ReturnType<typeof createTheme>;

/** The theme of a stream; without a `chalk` there is no colour. */
export function createTheme({ chalk, isUnicode }: { chalk?: ChalkInstance; isUnicode: boolean }) {
  // Chalk's own functions take any number of texts, which makes `frames.map(theme.accent)` a trap.
  const paint = (name: 'red' | 'yellow' | 'green' | 'cyan' | 'dim' | 'bold') => (text: string) =>
    chalk?.[name](text) ?? text;
  return {
    error: paint('red'),
    warning: paint('yellow'),
    success: paint('green'),
    accent: paint('cyan'),
    dim: paint('dim'),
    bold: paint('bold'),
    symbols: isUnicode ? UNICODE_SYMBOLS : ASCII_SYMBOLS,
  };
}

/** Chalk is loaded only where the stream shows colour. */
export async function loadTheme({ colorLevel }: Pick<OutputStream, 'colorLevel'>, isUnicode: boolean) {
  if (colorLevel === 0) return createTheme({ isUnicode });
  const { Chalk } = await import('chalk');
  return createTheme({ chalk: new Chalk({ level: colorLevel }), isUnicode });
}
