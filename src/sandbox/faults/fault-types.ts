export const FAULT_POINTS = [
  'submit',
  'poll',
  'list',
  'batch',
  'credits',
  'upload',
  'files',
  'link',
  'task',
  'server',
] as const;
/** Where a fault strikes: an endpoint, the result link, the life of a task, or the server as a whole. */
export type FaultPoint = (typeof FAULT_POINTS)[number];

/** One fault as data. The text form is `point:kind@amount*count(option,key=value)`. */
export interface FaultSpec {
  readonly point: FaultPoint;
  /** A kind of the fault table, or an HTTP status such as `429`. */
  readonly kind: string;
  readonly amount?: number | undefined;
  /** How often it strikes, default 1; `'*'` = for ever. */
  readonly count?: number | '*' | undefined;
  /** Flags have an empty value. */
  readonly options?: Readonly<Record<string, string>> | undefined;
}

/** Faults in the order in which they strike, as text or as data. */
export type FaultPlan = string | readonly FaultSpec[];

/** A fault that was checked against the table. */
export interface Fault {
  readonly point: FaultPoint;
  /** `status` for a numeric kind. */
  readonly kind: string;
  readonly status: number | undefined;
  readonly amount: number | undefined;
  readonly count: number;
  readonly options: Readonly<Record<string, string>>;
  /** Modifiers strike together with others; of the rest only one strikes a request. */
  readonly isModifier: boolean;
  /** As written, for the ledger. */
  readonly text: string;
}
