import { stripEscapes } from './strip-escapes.ts';

export interface ServerTextOptions {
  /** Longest result in UTF-16 units, the ellipsis not counted. Default 500. */
  readonly maxLength?: number;
  /** Keeps line breaks and tabs. Default false: one line. */
  readonly multiline?: boolean;
}

/** C0 without tab and line feed, DEL, C1. */
const CONTROLS = /(?![\t\n])\p{Control}/gu;
const LINE_BREAKS = /\r\n?|[\u2028\u2029\u0085\v\f]/g;
/** Text that changes how its neighbours look or can't be seen: bidirectional controls, zero-width, tags, annotations. */
const INVISIBLE = /[\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\uFFF9-\uFFFB]/gu;
const LONE_SURROGATE = /\p{Surrogate}/gu;

/**
 * Makes a string of the service harmless for a terminal and a CI log: escape sequences, control, bidirectional and
 * invisible characters removed, line breaks of every kind unified, length capped between two visible characters,
 * workflow commands broken. For people only; JSON output carries the data as it came, escaped.
 */
export function sanitizeServerText(
  text: string,
  { maxLength = 500, multiline = false }: ServerTextOptions = {},
): string {
  // Bounds the work for a reply of megabytes; what is cut off here is beyond the cap anyway.
  const bounded = text.slice(0, maxLength * 8 + 1024);
  const plain = stripEscapes(bounded)
    .replace(LINE_BREAKS, '\n')
    .replace(CONTROLS, '')
    .replace(INVISIBLE, '')
    .replace(LONE_SURROGATE, '\uFFFD');
  const shaped = multiline ? plain.replace(/\n{3,}/g, '\n\n') : plain.replace(/[\t\n]+/g, ' ');
  return breakWorkflowCommands(capLength(shaped.trim(), maxLength));
}

/** Cuts at a boundary of grapheme clusters, so that no half of an emoji or a lone accent remains. */
function capLength(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  let end = 0;
  for (const { index, segment } of new Intl.Segmenter().segment(text)) {
    if (index + segment.length > maxLength) break;
    end = index + segment.length;
  }
  return `${text.slice(0, end).trimEnd()}…`;
}

/**
 * CI runners obey lines of a log. GitHub's runner trims a line before it looks for `::`, and finds `##[` anywhere in it
 * (actions/runner, `ActionCommand.cs`), and Azure's `##vso[` is of the same kind: indenting does not help, so a space goes into the
 * marks themselves.
 */
function breakWorkflowCommands(text: string): string {
  return text.replace(/^(\s*):(?=:)/gm, '$1: ').replace(/##(?=\w*\[)/g, '## ');
}
