import { closest } from 'fastest-levenshtein';
import { EvolinkError } from '../errors.ts';
import {
  FAULT_FORMS,
  FAULT_POINTS,
  FAULT_SYNTAX,
  FAULT_TABLE,
  type FaultPoint,
  type FaultRow,
  SHARED_FAULT_OPTIONS,
} from './fault-table.ts';

/** A fault that was checked against the table. */
export type Fault = ReturnType<typeof parseFault>;

/**
 * Reads a fault plan, and checks every entry against the fault table.
 * @throws EvolinkError `usage`, naming the entry and the nearest allowed spelling.
 */
export function parseFaults(plan: string): Fault[] {
  // A message, in parentheses, may hold a `;`.
  const entries = plan.split(/;(?![^()]*\))/).map((entry) => entry.trim());
  return entries.filter((entry) => entry !== '').map(parseFault);
}

const ENTRY =
  /^(?<place>[a-z]+):(?<kind>[a-z0-9-]+)(?:@(?<number>[+-]?\d+(?:\.\d+)?))?(?<times>\*\d*)?(?:\((?<given>.*)\))?(?<late>\*\d*)?$/s;

function parseFault(text: string) {
  const { place, kind = '', number, times, given = '', late } = ENTRY.exec(text)?.groups ?? {};
  if (place === undefined) throw refuse(text, `it does not read as ${FAULT_SYNTAX}`);
  const point = FAULT_POINTS.find((each) => each === place);
  if (point === undefined) throw refuse(text, `no such point "${place}"`, place, FAULT_POINTS);
  const status = /^[345]\d\d$/.test(kind) ? Number(kind) : undefined;
  const rows = FAULT_TABLE.filter((each) => each.points.includes(point));
  const row = rows.find((each) => each.kind === (status === undefined ? kind : 'status'));
  if (row === undefined) {
    const kinds = rows.map((each) => (each.kind === 'status' ? '500' : each.kind));
    throw refuse(text, `"${point}" has no fault "${kind}"`, kind, kinds);
  }
  const amount = number === undefined ? undefined : Number(number);
  if (row.isAmountRequired && amount === undefined) throw refuse(text, `it needs @N: ${row.amount}`);
  if (row.amount === undefined && amount !== undefined) throw refuse(text, `"${kind}" takes no @N`);
  const often = times ?? late ?? '*1';
  const count = often === '*' ? Number.POSITIVE_INFINITY : Number(often.slice(1));
  if (count === 0) throw refuse(text, 'a count of 0 never strikes');
  const options = readOptions(given, row, text);
  return { point, kind: row.kind, status, amount, count, isModifier: row.isModifier, text, options };
}

/** Flags have an empty value. */
function readOptions(given: string, row: FaultRow, text: string) {
  const { kind, bareOption, requiredOption, example } = row;
  const known = { ...SHARED_FAULT_OPTIONS, ...row.options };
  const found: Record<string, string> = {};
  for (const part of given.split(',').filter((each) => each.trim() !== '')) {
    const [, name = '', value = ''] = /^\s*([^=]*?)\s*(?:=\s*(.*?)\s*)?$/s.exec(part) ?? [];
    if (Object.hasOwn(known, name)) found[name] = value;
    else if (value === '' && bareOption !== undefined && !(bareOption in found)) found[bareOption] = name;
    else throw refuse(text, `"${kind}" has no option "${name}"`, name, Object.keys(known));
  }
  if (requiredOption !== undefined && !found[requiredOption])
    throw refuse(text, `it needs (${requiredOption}), such as ${example}`);
  for (const name of ['skip', 'index', 'retry-after', 'retry-after-date'])
    if (!/^\d+$/.test(found[name] ?? '0'))
      throw refuse(text, `${name} must be a whole number, not "${found[name]}"`);
  const forms: readonly string[] = FAULT_FORMS;
  if (!forms.includes(found.form ?? 'json'))
    throw refuse(text, `form must be one of ${forms.join(', ')}, not "${found.form}"`);
  return found;
}

function refuse(entry: string, problem: string, word = '', allowed: readonly string[] = []): EvolinkError {
  const meant = `did you mean "${closest(word, allowed)}"? allowed: ${allowed.join(', ')}`;
  return new EvolinkError('usage', `fault "${entry}": ${problem}`, {
    details: allowed.length === 0 ? undefined : [meant],
    hint: 'see every fault: evolink help faults',
  });
}

/** Holds the faults that wait for their request. */
export function createFaultQueue() {
  let queue: { readonly fault: Fault; skipsLeft: number; strikesLeft: number }[] = [];
  return {
    add: (faults: readonly Fault[]): void => {
      for (const fault of faults)
        queue.push({ fault, skipsLeft: Number(fault.options.skip ?? 0), strikesLeft: fault.count });
    },
    /**
     * Takes what strikes this request, as far as `isWanted`: the first exclusive fault of the point, and the first of each
     * modifier kind. Counts go down. What a fault may depend on: the connection, and the number of the result link, from 1.
     */
    take: (
      point: FaultPoint,
      { isReusedConnection = false, linkIndex = 0 } = {},
      isWanted: (kind: string) => boolean = () => true,
    ): readonly Fault[] => {
      const struck = new Map<string, Fault>();
      for (const pending of queue) {
        const { fault } = pending;
        const { options, kind } = fault;
        const group = fault.isModifier ? kind : 'exclusive';
        const isFit =
          (!('reused' in options) || isReusedConnection) &&
          (options.index === undefined || Number(options.index) === linkIndex);
        if (fault.point !== point || struck.has(group) || !isWanted(kind) || !isFit) continue;
        pending.skipsLeft -= 1;
        if (pending.skipsLeft >= 0) continue;
        pending.strikesLeft -= 1;
        struck.set(group, fault);
      }
      queue = queue.filter(({ strikesLeft }) => strikesLeft > 0);
      return [...struck.values()];
    },
    /** What has not struck yet, as written. */
    pending: (): readonly string[] => queue.map(({ fault }) => fault.text),
  };
}
