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
  if (typeof plan !== 'string') return plan.map(checkFault);
  // A message, in parentheses, may hold a `;`.
  const entries = plan.split(/;(?![^()]*\))/).map((entry) => entry.trim());
  return entries.filter((entry) => entry !== '').map((entry) => checkFault(parseEntry(entry)));
}

const ENTRY =
  /^(?<point>[a-z]+):(?<kind>[a-z0-9-]+)(?:@(?<amount>[+-]?\d+(?:\.\d+)?))?(?<count>\*\d*)?(?:\((?<options>.*)\))?(?<late>\*\d*)?$/s;

function parseEntry(text: string): FaultSpec {
  const groups = ENTRY.exec(text)?.groups;
  if (groups === undefined) throw refuse(text, `it does not read as ${FAULT_SYNTAX}`);
  const point = FAULT_POINTS.find((each) => each === groups.point);
  if (point === undefined)
    throw refuse(text, `no such point "${groups.point}"`, nearest(groups.point, FAULT_POINTS));
  const count = groups.count ?? groups.late;
  return {
    point,
    kind: groups.kind ?? '',
    amount: groups.amount === undefined ? undefined : Number(groups.amount),
    count: count === undefined ? 1 : count === '*' ? '*' : Number(count.slice(1)),
    options: parseOptions(groups.options ?? ''),
  };
}

function parseOptions(text: string): Record<string, string> {
  const parts = text.split(',').filter((part) => part.trim() !== '');
  return Object.fromEntries(
    parts.map((part) => {
      const [name = '', ...value] = part.split('=');
      return [name.trim(), value.join('=').trim()];
    }),
  );
}

function checkFault(spec: FaultSpec): Fault {
  const text = formatFault(spec);
  const status = /^[345]\d\d$/.test(spec.kind) ? Number(spec.kind) : undefined;
  const row = findRow(spec.point, status === undefined ? spec.kind : 'status', text);
  if (row.isAmountRequired && spec.amount === undefined) throw refuse(text, `it needs @N: ${row.amount}`);
  if (row.amount === undefined && spec.amount !== undefined) throw refuse(text, `"${spec.kind}" takes no @N`);
  if (spec.count === 0) throw refuse(text, 'a count of 0 never strikes');
  return {
    point: spec.point,
    kind: row.kind,
    status,
    amount: spec.amount,
    count: spec.count === '*' ? Number.POSITIVE_INFINITY : (spec.count ?? 1),
    options: checkOptions(spec.options ?? {}, row, text),
    isModifier: row.isModifier,
    text,
  };
}

function findRow(point: FaultPoint, kind: string, text: string): FaultRow {
  const rows = FAULT_TABLE.filter((row) => row.points.includes(point));
  const row = rows.find((each) => each.kind === kind);
  if (row !== undefined) return row;
  const kinds = rows.map((each) => (each.kind === 'status' ? '500' : each.kind));
  const written = text.slice(point.length + 1).replace(/[@*(].*$/s, '');
  throw refuse(text, `"${point}" has no fault "${written}"`, nearest(written, kinds));
}

function checkOptions(
  options: Readonly<Record<string, string>>,
  row: FaultRow,
  text: string,
): Record<string, string> {
  const known: Record<string, string> = { ...SHARED_FAULT_OPTIONS, ...row.options };
  const checked: Record<string, string> = {};
  for (const [name, value] of Object.entries(options)) {
    if (Object.hasOwn(known, name)) checked[name] = value;
    else if (value === '' && row.bareOption !== undefined && !(row.bareOption in checked))
      checked[row.bareOption] = name;
    else throw refuse(text, `"${row.kind}" has no option "${name}"`, nearest(name, Object.keys(known)));
  }
  if (row.requiredOption !== undefined && !checked[row.requiredOption])
    throw refuse(text, `it needs (${row.requiredOption}), such as ${row.example}`);
  for (const name of ['skip', 'index', 'retry-after', 'retry-after-date']) {
    const value = checked[name] ?? '0';
    if (!/^\d+$/.test(value)) throw refuse(text, `${name} must be a whole number, not "${value}"`);
  }
  const { form } = checked;
  if (form !== undefined && !FAULT_FORMS.some((each) => each === form))
    throw refuse(text, `form must be one of ${FAULT_FORMS.join(', ')}, not "${form}"`);
  return checked;
}

function formatFault({ point, kind, amount, count = 1, options = {} }: FaultSpec): string {
  const times = count === 1 ? '' : count === '*' ? '*' : `*${count}`;
  const pairs = Object.entries(options).map(([name, value]) => (value === '' ? name : `${name}=${value}`));
  const shown = pairs.length > 0 ? `(${pairs.join(',')})` : '';
  return `${point}:${kind}${amount === undefined ? '' : `@${amount}`}${times}${shown}`;
}

function nearest(word: string | undefined, allowed: readonly string[]): string {
  return `did you mean "${closest(word ?? '', allowed)}"? allowed: ${allowed.join(', ')}`;
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
