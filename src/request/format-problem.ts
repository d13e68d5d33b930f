import type { Problem } from './types.ts';

/** One line for a person: `--quality "730p": must be one of 480p, 720p; did you mean 720p?`. */
export function formatProblem(problem: Problem): string {
  const value = problem.value === undefined ? '' : ` "${problem.value}"`;
  const suggestion = problem.suggestion === undefined ? '' : `; did you mean ${problem.suggestion}?`;
  return `${problem.source}${value}: ${problem.message}${suggestion}`;
}
