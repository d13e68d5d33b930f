import type { Problem } from '../request/models.ts';
import { type JobObject, type KeyPath, type Locate, nearest } from '../request/problems.ts';

/** One value of an axis, with its place in the file. */
interface AxisValue {
  readonly axis: string;
  readonly value: unknown;
  readonly keyPath: KeyPath;
  /** The value as text, by which values are compared. */
  readonly text: string;
}

/** One cell of the matrix: at most one value an axis, in the order of the axes. */
export type Cell = readonly AxisValue[];

export interface MatrixReading {
  readonly cells: readonly Cell[];
  readonly problems: readonly Problem[];
}

/** A matrix of the shape that the schema of job files wants. */
export type Matrix = Readonly<Record<string, readonly unknown[]>>;

/** More cells than any run has; `--max-jobs` bounds what is left after `exclude`. */
const MAX_CELLS = 100_000;
/** Cells are compared with each entry of `include` and `exclude`. */
const MAX_COMPARISONS = 20_000_000;

/**
 * The cells of a matrix. Every combination of the axes, without those that an entry of `exclude` fits; then each entry of
 * `include` is added to the cells that it does not contradict, or, if there is none, as a cell of its own (the rules of
 * GitHub's `strategy.matrix`). Pure; all problems at once.
 */
export function readMatrix(matrix: Matrix, keyPath: KeyPath, locate: Locate): MatrixReading {
  const problems: Problem[] = [];
  const refuse = (at: KeyPath, message: string, suggestion?: string) =>
    problems.push({ ...locate(at), message, suggestion });
  const { include = [], exclude = [], ...axes } = matrix;
  const names = Object.keys(axes);
  const entriesOf = (key: string, list: readonly unknown[]): Cell[] =>
    list.map((entry, index) =>
      Object.entries(entry as JobObject).map(([axis, value]) =>
        axisValue(axis, value, [...keyPath, key, index, axis]),
      ),
    );
  const excluded = entriesOf('exclude', exclude);
  const included = entriesOf('include', include);
  const count = names.reduce((total, axis) => total * (axes[axis]?.length ?? 0), 1);
  const entryCount = excluded.length + included.length;
  if (count > MAX_CELLS) refuse(keyPath, `has ${count} combinations, which is too many`);
  else if (count * entryCount > MAX_COMPARISONS)
    refuse(
      keyPath,
      `has ${count} combinations and ${entryCount} entries of include and exclude, which is too many to compare`,
    );
  if (problems.length > 0) return { cells: [], problems };

  const all = names.length === 0 ? [] : product(names, axes, keyPath);
  for (const entry of excluded) {
    const strange = entry.filter(({ axis }) => !names.includes(axis));
    for (const { axis, keyPath: at } of strange)
      refuse(at, `is not an axis; axes are ${names.join(', ')}`, nearest(axis, names));
    if (strange.length === 0 && !all.some((cell) => fits(cell, entry)))
      refuse(entry[0]?.keyPath.slice(0, -1) ?? keyPath, 'fits no combination');
  }
  const left = all.filter((cell) => !excluded.some((entry) => fits(cell, entry)));
  const cells = addIncluded(left, included, names);
  if (cells.length === 0 && problems.length === 0) refuse(keyPath, 'has no combination left: nothing to do');
  return { cells, problems };
}

function product(names: readonly string[], axes: Matrix, keyPath: KeyPath): readonly Cell[] {
  return names.reduce<readonly Cell[]>(
    (cells, axis) => {
      const values = (axes[axis] ?? []).map((value, index) =>
        axisValue(axis, value, [...keyPath, axis, index]),
      );
      return cells.flatMap((cell) => values.map((value) => [...cell, value]));
    },
    [[]],
  );
}

function fits(cell: Cell, entry: Cell): boolean {
  return entry.every(({ axis, text }) => cell.some((own) => own.axis === axis && own.text === text));
}

function addIncluded(
  cells: readonly Cell[],
  entries: readonly Cell[],
  names: readonly string[],
): readonly Cell[] {
  const result: Cell[] = [...cells];
  const added: Cell[] = [];
  for (const entry of entries) {
    const original = entry.filter(({ axis }) => names.includes(axis));
    const fresh = entry.filter(({ axis }) => !names.includes(axis));
    const isFresh = ({ axis }: AxisValue) => fresh.some((own) => own.axis === axis);
    let hasHost = false;
    for (const [index, cell] of cells.entries()) {
      if (!fits(cell, original)) continue;
      hasHost = true;
      // A value of an earlier entry may be overwritten, an axis of the matrix never.
      result[index] = [...(result[index] ?? []).filter((own) => !isFresh(own)), ...fresh];
    }
    if (!hasHost) added.push(entry);
  }
  return [...result, ...added];
}

function axisValue(axis: string, value: unknown, keyPath: KeyPath): AxisValue {
  return { axis, value, keyPath, text: JSON.stringify(value) ?? '' };
}
