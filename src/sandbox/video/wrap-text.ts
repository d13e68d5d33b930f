/** Width of a text, in any unit; additive over its code points. */
export type MeasureText = (text: string) => number;

export interface WrapOptions {
  /** In the unit of `measure`. */
  readonly maxWidth: number;
  readonly maxLines: number;
  readonly measure: MeasureText;
}

export interface WrappedText {
  readonly lines: readonly string[];
  /** Some of the text is missing; the last line ends in "…". */
  readonly cut: boolean;
  /** A word was longer than a line and was broken inside. */
  readonly brokeWord: boolean;
}

const ELLIPSIS = '…';
// A line may end before each of these characters, and not before the marks that close a phrase.
const BREAKS_ANYWHERE = '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Emoji_Presentation}ー';
const CLINGS_TO_PREVIOUS = '、。，．！？：；）」』】》〉…‥・ー\\p{M}';
const TOKEN = new RegExp(
  `[${BREAKS_ANYWHERE}][${CLINGS_TO_PREVIOUS}]*| +|[^ ${BREAKS_ANYWHERE}]+?(?:-+|(?=[ ${BREAKS_ANYWHERE}]|$))`,
  'gu',
);

/** One line of composed characters: no controls, no characters without a picture of their own, single spaces. */
export function plainText(text: string): string {
  return text
    .normalize('NFC')
    .replaceAll(/[\p{Cc}\p{Z}]+/gu, ' ')
    .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, '')
    .trim();
}

/** Breaks a text into lines: between words, anywhere in Chinese and Japanese, inside a word only where it must. */
export function wrapText(text: string, options: WrapOptions): WrappedText {
  const { maxWidth, maxLines, measure } = options;
  const lines: string[] = [];
  let line = '';
  let brokeWord = false;
  for (const token of text.match(TOKEN) ?? []) {
    if (measure(line) + measure(token.trimEnd()) <= maxWidth) {
      line += token;
      continue;
    }
    if (line.trim() !== '') lines.push(line.trimEnd());
    if (lines.length > maxLines) break;
    const pieces = breakWord(token.trimStart(), options);
    brokeWord ||= pieces.length > 1;
    lines.push(...pieces.slice(0, -1));
    line = pieces.at(-1) ?? '';
  }
  if (line.trim() !== '') lines.push(line.trimEnd());
  if (lines.length <= maxLines) return { lines, cut: false, brokeWord };
  const kept = lines.slice(0, maxLines);
  const last = kept.pop();
  if (last !== undefined) kept.push(endCut(last, options));
  return { lines: kept, cut: true, brokeWord };
}

/** The text itself when it fits, else its beginning and "…". */
export function fitText(text: string, options: { maxWidth: number; measure: MeasureText }): string {
  return options.measure(text) <= options.maxWidth ? text : endCut(text, options);
}

function endCut(line: string, { maxWidth, measure }: { maxWidth: number; measure: MeasureText }): string {
  const characters = [...line.trimEnd()];
  while (characters.length > 0 && measure(characters.join('') + ELLIPSIS) > maxWidth) characters.pop();
  return characters.join('').trimEnd() + ELLIPSIS;
}

function breakWord(word: string, { maxWidth, measure }: WrapOptions): string[] {
  const pieces: string[] = [];
  let piece = '';
  for (const character of word) {
    if (piece !== '' && measure(piece + character) > maxWidth) {
      pieces.push(piece);
      piece = '';
    }
    piece += character;
  }
  return [...pieces, piece];
}
