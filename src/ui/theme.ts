import type { ChalkInstance } from 'chalk';
import type { OutputStream } from '../platform/io.ts';

type Style = (text: string) => string;

interface Symbols {
  readonly success: string;
  readonly ellipsis: string;
  readonly times: string;
  readonly barDone: string;
  readonly barLeft: string;
  readonly spinner: readonly string[];
}

/** Colours and glyphs. Neither ever carries a meaning that the words beside it do not. */
export interface Theme {
  readonly error: Style;
  readonly warning: Style;
  readonly success: Style;
  readonly accent: Style;
  readonly dim: Style;
  readonly bold: Style;
  readonly symbols: Symbols;
}

const UNICODE_SYMBOLS: Symbols = {
  success: '✔',
  ellipsis: '…',
  times: '×',
  barDone: '█',
  barLeft: '░',
  spinner: ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'],
};

const ASCII_SYMBOLS: Symbols = {
  success: '+',
  ellipsis: '...',
  times: 'x',
  barDone: '#',
  barLeft: '-',
  spinner: ['-', '\\', '|', '/'],
};

/** Makes the theme of one stream; without a `chalk` there is no colour. */
export function createTheme(options: { chalk?: ChalkInstance | undefined; isUnicode: boolean }): Theme {
  const { chalk, isUnicode } = options;
  // Chalk's own functions take any number of texts, which makes `frames.map(theme.accent)` a trap.
  const paint =
    (style: Style | undefined): Style =>
    (text) =>
      style === undefined ? text : style(text);
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

/** The theme of a stream. Chalk is loaded only where the stream shows colour. */
export async function loadTheme(
  stream: Pick<OutputStream, 'colorLevel'>,
  isUnicode: boolean,
): Promise<Theme> {
  if (stream.colorLevel === 0) return createTheme({ isUnicode });
  const { Chalk } = await import('chalk');
  return createTheme({ chalk: new Chalk({ level: stream.colorLevel }), isUnicode });
}
