import type { ChalkInstance } from 'chalk';
import type { OutputStream } from '../platform/io.ts';

type Style = (text: string) => string;

/** Colours and glyphs. Neither ever carries a meaning that the words beside it do not. */
export interface Theme {
  readonly error: Style;
  readonly warning: Style;
  readonly success: Style;
  readonly accent: Style;
  readonly dim: Style;
  readonly bold: Style;
  readonly symbols: typeof UNICODE_SYMBOLS;
}

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

/** The theme of a stream; without a `chalk` there is no colour. */
export function createTheme({ chalk, isUnicode }: { chalk?: ChalkInstance; isUnicode: boolean }): Theme {
  // Chalk's own functions take any number of texts, which makes `frames.map(theme.accent)` a trap.
  const paint =
    (style: Style | undefined): Style =>
    (text) =>
      style?.(text) ?? text;
  return {
    error: paint(chalk?.red),
    warning: paint(chalk?.yellow),
    success: paint(chalk?.green),
    accent: paint(chalk?.cyan),
    dim: paint(chalk?.dim),
    bold: paint(chalk?.bold),
    symbols: isUnicode ? UNICODE_SYMBOLS : ASCII_SYMBOLS,
  };
}

/** Chalk is loaded only where the stream shows colour. */
export async function loadTheme({ colorLevel }: Pick<OutputStream, 'colorLevel'>, isUnicode: boolean) {
  if (colorLevel === 0) return createTheme({ isUnicode });
  const { Chalk } = await import('chalk');
  return createTheme({ chalk: new Chalk({ level: colorLevel }), isUnicode });
}
