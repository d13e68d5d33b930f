import type { Context } from '../platform/context.ts';
import type { Shard } from '../run/select.ts';
import type { FormOptions } from './form.ts';
import type { Frame } from './frame.ts';

/** The flags of `evolink run` as commander hands them over. */
export interface RunOptions extends FormOptions {
  readonly only?: readonly string[];
  readonly skip?: readonly string[];
  readonly shard?: string;
  readonly force?: boolean;
  readonly maxJobs?: number;
  readonly dryRun?: boolean;
  readonly maxCredits?: number;
  readonly priceCredits?: number;
  readonly allowPartial?: boolean;
  readonly yes?: boolean;
  readonly retryFailed?: number;
  readonly concurrency?: number;
  readonly timeout?: string;
  readonly keepGoing?: boolean;
  readonly failFast?: boolean;
  readonly report?: readonly string[];
  readonly checkUrls?: boolean;
  readonly init?: string | true;
}

export interface RunInput {
  readonly files: readonly string[];
  readonly options: RunOptions;
}

/** What the steps of one run share. */
export interface Run extends RunInput {
  readonly context: Context;
  readonly frame: Frame;
  readonly shard: Shard | undefined;
  readonly startedAtMs: number;
}
