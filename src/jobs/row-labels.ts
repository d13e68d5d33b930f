import type { Row } from './read-rows.ts';
import { valueText } from './variables.ts';

const MAX_LABEL_CHARACTERS = 60;

/**
 * A name for each row: the value of its first column where that tells all rows apart, else its number. A number changes
 * when rows are put before it; the value of a first column does not.
 */
export function rowLabels(rows: readonly (Row | undefined)[]): readonly (string | undefined)[] {
  const firsts = rows.map((row) => (row === undefined ? undefined : firstValue(row)));
  const isTelling = firsts.every((label) => label !== '') && new Set(firsts).size === rows.length;
  return isTelling ? firsts : rows.map((row, index) => (row === undefined ? undefined : String(index + 1)));
}

function firstValue({ values }: Row): string {
  const [value] = values.values();
  if (typeof value === 'object') return '';
  return [...valueText(value).trim().replaceAll('/', '-')].slice(0, MAX_LABEL_CHARACTERS).join('');
}
