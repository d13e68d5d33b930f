import { FAULT_FORMS } from '../sandbox/faults/api-fault-rows.ts';
import type { FaultRow } from '../sandbox/faults/fault-row.ts';
import { FAULT_SYNTAX, FAULT_TABLE, SHARED_FAULT_OPTIONS } from '../sandbox/faults/fault-table.ts';
import { FAULT_POINTS } from '../sandbox/faults/fault-types.ts';

/** `evolink help faults`: the language of `--faults`, and every fault. */
export function faultsTopic(): string {
  const shared = Object.entries(SHARED_FAULT_OPTIONS).map(([name, does]) => `      ${name}: ${does}`);
  return [
    'Faults of the sandbox: evolink sandbox --faults PLAN, or EVOLINK_SANDBOX_FAULTS=PLAN with --sandbox.',
    '',
    `  ${FAULT_SYNTAX}`,
    '',
    `points: ${FAULT_POINTS.join(', ')}`,
    '',
    'options that every fault takes:',
    ...shared,
    '',
    ...FAULT_TABLE.flatMap((row) => [...faultLines(row), '']),
    `forms of the body of a status: ${FAULT_FORMS.join(', ')}`,
  ].join('\n');
}

/** How a fault is written, such as `link:cut@N`; `429` stands for any status. */
export function faultName({ kind, amount, isAmountRequired, requiredOption }: FaultRow): string {
  const name = kind === 'status' ? '300 … 599' : kind;
  const count = amount === undefined ? '' : isAmountRequired === true ? '@N' : '[@N]';
  return `${name}${count}${requiredOption === undefined ? '' : `(${requiredOption})`}`;
}

function faultLines(row: FaultRow): string[] {
  const amount = row.amount === undefined ? [] : [`      N: ${row.amount}`];
  const options = Object.entries(row.options ?? {}).map(([name, does]) => {
    const isBare = name === row.bareOption;
    return `      ${name}${isBare ? ' (the name may be left out)' : ''}: ${does}`;
  });
  return [
    `  ${faultName(row)}  at ${row.points.join(', ')}`,
    `      ${row.does}`,
    ...amount,
    ...options,
    `      example: ${row.example}`,
  ];
}
