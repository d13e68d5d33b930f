import { closest } from 'fastest-levenshtein';
import { EvolinkError } from '../errors.ts';
import {
  FAULT_FORMS,
  FAULT_POINTS,
  FAULT_SYNTAX,
  FAULT_TABLE,
  type Fault,
  type FaultPlan,
  type FaultPoint,
  type FaultRow,
  type FaultSpec,
  SHARED_FAULT_OPTIONS,
} from './fault-table.ts';

/**
 * Reads a fault plan, text or data, and checks every entry against the fault table.
 * @throws EvolinkError `usage`, naming the entry and the nearest allowed spelling.
 */
export function parseFaults(plan: FaultPlan): Fault[] {
  if (typeof plan !== 'string') return plan.map((spec) => checkFault(spec, `${spec.point}:${spec.kind}`));
  // A message, in parentheses, may hold a `;`.
  const entries = plan.split(/;(?![^()]*\))/).map((entry) => entry.trim());
  return entries.filter((entry) => entry !== '').map((entry) => checkFault(parseEntry(entry), entry));
}

const ENTRY =
  /^(?<point>[a-z]+):(?<kind>[a-z0-9-]+)(?:@(?<amount>[+-]?\d+(?:\.\d+)?))?(?<count>\*\d*)?(?:\((?<options>.*)\))?(?<late>\*\d*)?$/s;

function parseEntry(text: string): FaultSpec {
  const { point, kind = '', amount, options = '', count, late } = ENTRY.exec(text)?.groups ?? {};
  if (point === undefined) throw refuse(text, `it does not read as ${FAULT_SYNTAX}`);
  const known = FAULT_POINTS.find((each) => each === point);
  if (known === undefined) throw refuse(text, `no such point "${point}"`, nearest(point, FAULT_POINTS));
  const times = count ?? late ?? '*1';
  return {
    point: known,
    kind,
    amount: amount === undefined ? undefined : Number(amount),
    count: times === '*' ? Number.POSITIVE_INFINITY : Number(times.slice(1)),
    options: Object.fromEntries(
      options
        .split(',')
        .filter((part) => part.trim() !== '')
        .map((part) => [part.split('=')[0]?.trim(), part.split('=').slice(1).join('=').trim()]),
    ),
  };
}

function checkFault({ point, kind, amount, count = 1, options = {} }: FaultSpec, text: string): Fault {
  const status = /^[345]\d\d$/.test(kind) ? Number(kind) : undefined;
  const rows = FAULT_TABLE.filter((each) => each.points.includes(point));
  const row = rows.find((each) => each.kind === (status === undefined ? kind : 'status'));
  if (row === undefined) {
    const kinds = rows.map((each) => (each.kind === 'status' ? '500' : each.kind));
    throw refuse(text, `"${point}" has no fault "${kind}"`, nearest(kind, kinds));
  }
  if (row.isAmountRequired && amount === undefined) throw refuse(text, `it needs @N: ${row.amount}`);
  if (row.amount === undefined && amount !== undefined) throw refuse(text, `"${kind}" takes no @N`);
  if (count === 0) throw refuse(text, 'a count of 0 never strikes');
  const { isModifier } = row;
  return {
    point,
    kind: row.kind,
    status,
    amount,
    count,
    options: checkOptions(options, row, text),
    isModifier,
    text,
  };
}

function checkOptions(
  options: Readonly<Record<string, string>>,
  { kind, options: own, bareOption, requiredOption, example }: FaultRow,
  text: string,
): Record<string, string> {
  const known: Record<string, string> = { ...SHARED_FAULT_OPTIONS, ...own };
  const checked: Record<string, string> = {};
  for (const [name, value] of Object.entries(options)) {
    if (Object.hasOwn(known, name)) checked[name] = value;
    else if (value === '' && bareOption !== undefined && !(bareOption in checked)) checked[bareOption] = name;
    else throw refuse(text, `"${kind}" has no option "${name}"`, nearest(name, Object.keys(known)));
  }
  if (requiredOption !== undefined && !checked[requiredOption])
    throw refuse(text, `it needs (${requiredOption}), such as ${example}`);
  for (const name of ['skip', 'index', 'retry-after', 'retry-after-date'])
    if (!/^\d+$/.test(checked[name] ?? '0'))
      throw refuse(text, `${name} must be a whole number, not "${checked[name]}"`);
  const { form } = checked;
  if (form !== undefined && !FAULT_FORMS.some((each) => each === form))
    throw refuse(text, `form must be one of ${FAULT_FORMS.join(', ')}, not "${form}"`);
  return checked;
}

function nearest(word: string, allowed: readonly string[]): string {
  return `did you mean "${closest(word, allowed)}"? allowed: ${allowed.join(', ')}`;
}

function refuse(entry: string, problem: string, detail?: string): EvolinkError {
  return new EvolinkError('usage', `fault "${entry}": ${problem}`, {
    details: detail === undefined ? undefined : [detail],
    hint: 'see every fault: evolink help faults',
  });
}

/** What a fault may depend on. */
export interface FaultTarget {
  readonly isReusedConnection?: boolean;
  /** Number of the result link, from 1. */
  readonly linkIndex?: number | undefined;
}

export type FaultQueue = ReturnType<typeof createFaultQueue>;

/** Holds the faults that wait for their request. */
export function createFaultQueue() {
  let queue: { readonly fault: Fault; skipsLeft: number; strikesLeft: number }[] = [];

  const strike = (pending: (typeof queue)[number]): Fault | undefined => {
    pending.skipsLeft -= 1;
    if (pending.skipsLeft >= 0) return undefined;
    pending.strikesLeft -= 1;
    if (pending.strikesLeft <= 0) queue = queue.filter((each) => each !== pending);
    return pending.fault;
  };

  return {
    add: (faults: readonly Fault[]): void => {
      for (const fault of faults)
        queue.push({ fault, skipsLeft: Number(fault.options.skip ?? 0), strikesLeft: fault.count });
    },
    /**
     * Takes what strikes this request: the first exclusive fault of the point, and the first of each modifier kind (unless
     * listed in `later`). Counts go down.
     */
    take: (point: FaultPoint, target: FaultTarget = {}, later: readonly string[] = []): readonly Fault[] => {
      const struck = new Map<string, Fault>();
      for (const pending of queue) {
        const { fault } = pending;
        const group = fault.isModifier ? fault.kind : 'exclusive';
        if (fault.point !== point || struck.has(group) || later.includes(fault.kind) || !fits(fault, target))
          continue;
        const hit = strike(pending);
        if (hit !== undefined) struck.set(group, hit);
      }
      return [...struck.values()];
    },
    /** Takes one modifier by kind. */
    takeKind: (point: FaultPoint, kind: string): Fault | undefined => {
      const pending = queue.find(({ fault }) => fault.point === point && fault.kind === kind);
      return pending === undefined ? undefined : strike(pending);
    },
    /** What has not struck yet, as written. */
    pending: (): readonly string[] => queue.map(({ fault }) => fault.text),
  };
}

function fits({ options }: Fault, { isReusedConnection, linkIndex }: FaultTarget): boolean {
  if ('reused' in options && isReusedConnection !== true) return false;
  return options.index === undefined || Number(options.index) === linkIndex;
}
