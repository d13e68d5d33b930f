import type { FaultPoint } from './fault-types.ts';

export interface FaultRow {
  readonly points: readonly FaultPoint[];
  /** `status` stands for any number from 300 to 599. */
  readonly kind: string;
  readonly does: string;
  /** What `@N` means; absent = the kind takes none. */
  readonly amount?: string;
  readonly isAmountRequired?: boolean;
  /** The option that a first bare word in the parentheses stands for. */
  readonly bareOption?: string;
  readonly requiredOption?: string;
  readonly options?: Readonly<Record<string, string>>;
  readonly isModifier?: boolean;
  readonly example: string;
}
