import { API_FAULT_ROWS } from './api-fault-rows.ts';
import type { FaultRow } from './fault-row.ts';
import { LINK_FAULT_ROWS } from './link-fault-rows.ts';
import { TASK_FAULT_ROWS } from './task-fault-rows.ts';

/** Every fault the sandbox can produce. `--help` and the README print this table; the parser checks against it. */
export const FAULT_TABLE: readonly FaultRow[] = [...API_FAULT_ROWS, ...TASK_FAULT_ROWS, ...LINK_FAULT_ROWS];

/** Options that every fault takes. */
export const SHARED_FAULT_OPTIONS: Readonly<Record<string, string>> = {
  skip: 'lets N matching requests pass first',
  index: 'strikes only result link number N (from 1)',
};

/** How faults are written, for `--help` and the README. */
export const FAULT_SYNTAX =
  'point:kind@amount*count(option,key=value); … count is 1 if not given, * alone means for ever';
