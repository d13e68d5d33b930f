import type { Problem } from '../request/types.ts';
import { toInvalidReport } from './job-report.ts';
import type { JobReport } from './run-report.ts';

/**
 * Problems that belong to no job, such as a file that is no YAML, as entries of a report: one for each line of a file, named
 * by it. Pure.
 * @param files the job files as the person named them
 */
export function toProblemReports(
  problems: readonly Problem[],
  files: readonly string[],
): readonly JobReport[] {
  const byName = new Map<string, { readonly place: Place; readonly problems: Problem[] }>();
  for (const problem of problems) {
    const place = placeOf(problem, files);
    const name = `${place.file}:${place.line}`;
    const known = byName.get(name);
    if (known === undefined) byName.set(name, { place, problems: [problem] });
    else known.problems.push(problem);
  }
  return [...byName].map(([name, { place, problems: found }]) =>
    toInvalidReport({ entry: { name, group: place.file, ...place, variables: {} }, problems: found }),
  );
}

interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Reads back what `Places` writes: `jobs.yaml:3:5` or `jobs.hero (jobs.yaml:3:5)`; a file alone means its start. */
function placeOf({ source }: Problem, files: readonly string[]): Place {
  const match = /:(\d+):(\d+)\)?$/.exec(source);
  const before = match === null ? source : source.slice(0, match.index);
  const named = [...files]
    .sort((a, b) => b.length - a.length)
    .find((file) => before === file || before.endsWith(`(${file}`));
  const file =
    named ??
    (match === null ? files[0] : undefined) ??
    before.slice(before.lastIndexOf(' (') + 1).replace(/^\(/, '');
  return { file, line: Number(match?.[1] ?? 1), column: Number(match?.[2] ?? 1) };
}
