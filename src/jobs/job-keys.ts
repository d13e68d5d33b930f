import { BODY_KEYS } from '../request/body-keys.ts';

/** A key of a job file that is no part of the request. */
export interface JobKey {
  readonly key: string;
  readonly description: string;
}

/** The keys of a file. */
export const FILE_KEYS = [
  { key: 'version', description: 'version of the form of the file: 1' },
  { key: 'defaults', description: 'request keys and output for all jobs that do not say otherwise' },
  { key: 'vars', description: 'variables for all jobs' },
  { key: 'jobs', description: 'the jobs, by name' },
] as const satisfies readonly JobKey[];

/** What a job has beyond its request. The schema and the checks read this table. */
export const CONTROL_KEYS = [
  {
    key: 'name',
    description: 'name of each job that this one becomes; default: its key, then row and matrix values',
  },
  {
    key: 'output',
    description: 'where the clip goes: file, folder/, or pattern with {job} {index} {ratio} {slug} {date} …',
  },
  { key: 'vars', description: 'variables of this job; {{name}} stands for the value in every text' },
  {
    key: 'matrix',
    description:
      'axes: each combination of their values is a job. An axis named as a request key sets that key. include and exclude as lists of values by axis',
  },
  {
    key: 'for_each',
    description: 'rows: each is a job, its columns are variables. A list, or a file: .csv, .json, .yaml',
  },
] as const satisfies readonly JobKey[];

export const REQUEST_KEYS: readonly string[] = BODY_KEYS.map(({ key }) => key);
const CONTROL: readonly string[] = CONTROL_KEYS.map(({ key }) => key);

/** Every key that a job may have. */
export const ALL_JOB_KEYS: readonly string[] = [...REQUEST_KEYS, ...CONTROL];
/** What `defaults` may have: what makes several jobs of one belongs to a job. */
export const DEFAULTS_KEYS: readonly string[] = [...REQUEST_KEYS, 'output'];

/** Says whether a key belongs to the request. */
export function isRequestKey(key: string): boolean {
  return REQUEST_KEYS.includes(key);
}

/** The type that a request key wants, so that text from a table can become it. */
export function typeOfRequestKey(key: string): string | undefined {
  return BODY_KEYS.find((row) => row.key === key)?.type;
}
