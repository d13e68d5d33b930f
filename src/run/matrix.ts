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
export function readMatrix(
  { include = [], exclude = [], ...axes }: Matrix,
  keyPath: KeyPath,
  locate: Locate,
): { readonly cells: readonly Cell[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const refuse = (at: KeyPath, message: string, suggestion?: string) =>
    problems.push({ ...locate(at), message, suggestion });
  const toEntry = (entry: unknown, at: KeyPath): Cell =>
    Object.entries(entry as JobObject).map(([axis, value]) => axisValue(axis, value, [...at, axis]));
  const names = Object.keys(axes);
  const isAxis = ({ axis }: AxisValue): boolean => names.includes(axis);
  const count = names.reduce((total, axis) => total * (axes[axis]?.length ?? 0), 1);
  if (count > MAX_CELLS || count * (exclude.length + include.length) > MAX_COMPARISONS) {
    refuse(keyPath, `has ${count} combinations, which is too many`);
    return { cells: [], problems };
  }
  let cells: Cell[] = names.length === 0 ? [] : [[]];
  for (const axis of names) {
    const values = (axes[axis] ?? []).map((value, at) => axisValue(axis, value, [...keyPath, axis, at]));
    cells = cells.flatMap((cell) => values.map((value) => [...cell, value]));
  }
  const all = cells;
  for (const [index, each] of exclude.entries()) {
    const at = [...keyPath, 'exclude', index];
    const entry = toEntry(each, at);
    const strange = entry.find((own) => !isAxis(own))?.axis;
    if (!all.some((cell) => fits(cell, entry)))
      refuse(at, `fits no combination of ${names.join(', ')}`, nearest(strange, names));
    cells = cells.filter((cell) => !fits(cell, entry));
  }
  const hostCount = cells.length;
  for (const [index, each] of include.entries()) {
    const entry = toEntry(each, [...keyPath, 'include', index]);
    const fresh = entry.filter((own) => !isAxis(own));
    let hasHost = false;
    for (const [at, cell] of cells.slice(0, hostCount).entries()) {
      if (!fits(cell, entry.filter(isAxis))) continue;
      hasHost = true;
      // A value of an earlier entry may be overwritten, an axis of the matrix never.
      cells[at] = [...cell.filter(({ axis }) => !fresh.some((own) => own.axis === axis)), ...fresh];
    }
    if (!hasHost) cells.push(entry);
  }
  if (cells.length === 0 && problems.length === 0) refuse(keyPath, 'has no combination left: nothing to do');
  return { cells, problems };
}

function fits(cell: Cell, entry: Cell): boolean {
  return entry.every(({ axis, text }) => cell.some((own) => own.axis === axis && own.text === text));
}

function axisValue(axis: string, value: unknown, keyPath: KeyPath): AxisValue {
  return { axis, value, keyPath, text: JSON.stringify(value) ?? '' };
}
