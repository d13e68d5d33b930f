const FORBIDDEN_COLUMNS: readonly string[] = ['__proto__', 'constructor', 'prototype'];

/** What is wrong with the name of a column, if anything is. */
export function columnProblem(name: string, isRepeated: boolean): string | undefined {
  if (name === '') return 'has no name in the first line';
  if (FORBIDDEN_COLUMNS.includes(name)) return 'is not allowed as a name';
  if (/[{}]/.test(name)) return 'must not have braces in its name';
  return isRepeated ? 'is given twice' : undefined;
}
