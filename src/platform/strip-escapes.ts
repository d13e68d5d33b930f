import { stripVTControlCharacters } from 'node:util';

/** Escape strings with an end of their own (DCS, SOS, PM, APC), which `stripVTControlCharacters` leaves. ECMA-48 §5.6. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL_STRINGS = /(?:\u001B[PX^_]|[\u0090\u0098\u009E\u009F])[^\u001B\u009C]*(?:\u001B\\|\u009C)/g;

/** A text without whole escape sequences (CSI, OSC, DCS, SOS, PM, APC); control characters that stand alone stay. Pure. */
export function stripEscapes(text: string): string {
  return stripVTControlCharacters(text.replace(CONTROL_STRINGS, ''));
}
