import type { FormOptions } from './form.ts';

/** The flags of `evolink run` as commander hands them over. */
export interface RunOptions extends FormOptions {
  readonly only?: readonly string[];
  readonly skip?: readonly string[];
  readonly shard?: string;
  readonly force?: boolean;
  readonly maxJobs?: number;
  readonly dryRun?: boolean;
  readonly maxCredits?: number;
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
