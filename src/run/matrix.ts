import type { KeyPath, Locate } from '../request/body.ts';
import type { Problem } from '../request/models.ts';
import { describeValue, nearest } from '../request/problems.ts';
import { isJobObject, type JobObject } from './job-file.ts';

/** One value of an axis, with its place in the file. */
interface AxisValue {
  readonly axis: string;
  readonly value: unknown;
  readonly keyPath: KeyPath;
  /** The value as text, by which values are compared. */
  readonly text: string;
}

/** One cell of the matrix: at most one value an axis, in the order of the axes. */
export type Combination = readonly AxisValue[];

export interface MatrixReading {
  readonly combinations: readonly Combination[];
  readonly problems: readonly Problem[];
}

interface Reading {
  readonly problems: Problem[];
  readonly locate: Locate;
}

/** More cells than any run has; `--max-jobs` bounds what is left after `exclude`. */
const MAX_CELLS = 100_000;
/** Cells are compared with each entry of `include` and `exclude`. */
const MAX_COMPARISONS = 20_000_000;

/**
 * The cells of a matrix. Every combination of the axes, without those that an entry of `exclude` fits; then each entry of
 * `include` is added to the cells that it does not contradict, or, if there is none, as a cell of its own (the rules of
 * GitHub's `strategy.matrix`). Pure; all problems at once.
 */
export function readMatrix(value: unknown, keyPath: KeyPath, locate: Locate): MatrixReading {
  const reading: Reading = { problems: [], locate };
  if (!isJobObject(value)) {
    const message = 'must be an object: each key an axis, each value a list';
    return { combinations: [], problems: [{ ...locate(keyPath), message }] };
  }
  const axes = readAxes(value, keyPath, reading);
  const names = axes.map(({ name }) => name);
  const excluded = readEntries(value, [...keyPath, 'exclude'], reading);
  const included = readEntries(value, [...keyPath, 'include'], reading);
  const count = axes.reduce((cells, { values }) => cells * values.length, 1);
  const entries = excluded.length + included.length;
  if (count * entries > MAX_COMPARISONS) {
    const message = `has ${count} combinations and ${entries} entries of include and exclude, which is too many to compare`;
    reading.problems.push({ ...locate(keyPath), message });
  }
  if (reading.problems.length > 0) return { combinations: [], problems: reading.problems };
  const cells = exclude(product(axes), { entries: excluded, names }, reading);
  const combinations = include(cells, included, names);
  if (combinations.length === 0 && reading.problems.length === 0) {
    reading.problems.push({ ...locate(keyPath), message: 'has no combination left: nothing to do' });
  }
  return { combinations, problems: reading.problems };
}

interface Axis {
  readonly name: string;
  readonly values: readonly AxisValue[];
}

function readAxes(value: JobObject, keyPath: KeyPath, { problems, locate }: Reading): readonly Axis[] {
  const axes = Object.entries(value).flatMap(([name, list]): Axis[] => {
    if (name === 'include' || name === 'exclude') return [];
    const path = [...keyPath, name];
    if (!Array.isArray(list) || list.length === 0) {
      problems.push({
        ...locate(path),
        value: describeValue(list),
        message: 'must be a list of at least one value',
      });
      return [];
    }
    const items: readonly unknown[] = list;
    return [{ name, values: items.map((item, index) => axisValue(name, item, [...path, index])) }];
  });
  const cells = axes.reduce((count, { values }) => count * values.length, 1);
  if (cells <= MAX_CELLS) return axes;
  problems.push({ ...locate(keyPath), message: `has ${cells} combinations, which is too many` });
  return [];
}

function readEntries(
  matrix: JobObject,
  keyPath: KeyPath,
  { problems, locate }: Reading,
): readonly Combination[] {
  const list = matrix[String(keyPath.at(-1))];
  if (list === undefined) return [];
  if (!Array.isArray(list)) {
    problems.push({ ...locate(keyPath), message: 'must be a list of objects' });
    return [];
  }
  const items: readonly unknown[] = list;
  return items.flatMap((item, index): Combination[] => {
    const path = [...keyPath, index];
    if (isJobObject(item) && Object.keys(item).length > 0) {
      return [Object.entries(item).map(([axis, value]) => axisValue(axis, value, [...path, axis]))];
    }
    problems.push({
      ...locate(path),
      value: describeValue(item),
      message: 'must be an object with a value by axis',
    });
    return [];
  });
}

function product(axes: readonly Axis[]): readonly Combination[] {
  if (axes.length === 0) return [];
  return axes.reduce<readonly Combination[]>(
    (cells, { values }) => cells.flatMap((cell) => values.map((value) => [...cell, value])),
    [[]],
  );
}

function exclude(
  cells: readonly Combination[],
  { entries, names }: { readonly entries: readonly Combination[]; readonly names: readonly string[] },
  { problems, locate }: Reading,
): readonly Combination[] {
  for (const entry of entries) {
    for (const { axis, keyPath } of entry) {
      if (names.includes(axis)) continue;
      const suggestion = nearest(axis, names);
      const message = `is not an axis; axes are ${names.join(', ')}`;
      problems.push({
        ...locate(keyPath),
        message,
        ...(suggestion === undefined ? {} : { suggestion }),
      });
    }
    if (entry.every(({ axis }) => names.includes(axis)) && !cells.some((cell) => fits(cell, entry))) {
      problems.push({
        ...locate(entry[0]?.keyPath.slice(0, -1) ?? []),
        message: 'fits no combination',
      });
    }
  }
  return cells.filter((cell) => !entries.some((entry) => fits(cell, entry)));
}

function fits(cell: Combination, entry: Combination): boolean {
  return entry.every(({ axis, text }) => cell.some((own) => own.axis === axis && own.text === text));
}

function include(
  cells: readonly Combination[],
  entries: readonly Combination[],
  names: readonly string[],
): readonly Combination[] {
  const result = cells.map((cell) => [...cell]);
  const added: Combination[] = [];
  for (const entry of entries) {
    const original = entry.filter(({ axis }) => names.includes(axis));
    const hosts = cells.flatMap((cell, index) => (fits(cell, original) ? [index] : []));
    const fresh = entry.filter(({ axis }) => !names.includes(axis));
    for (const index of hosts) {
      const host = result[index] ?? [];
      // A value of an earlier entry may be overwritten, an axis of the matrix never.
      result[index] = [...host.filter((own) => !fresh.some(({ axis }) => axis === own.axis)), ...fresh];
    }
    if (hosts.length === 0) added.push(entry);
  }
  return [...result, ...added];
}

function axisValue(axis: string, value: unknown, keyPath: KeyPath): AxisValue {
  return { axis, value, keyPath, text: JSON.stringify(value) ?? '' };
}
