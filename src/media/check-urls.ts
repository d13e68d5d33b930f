import pMap from 'p-map';
import type { Clock } from '../platform/clock.ts';
import type { Inspection } from './media-facts.ts';

/** Looks at one URL, for at most so long. */
export type CheckUrl = (url: string, timeLimitMs?: number) => Promise<Inspection>;

export interface UrlsCheckOptions {
  readonly check: CheckUrl;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** For all URLs together; absent = each has its own time only. */
  readonly totalLimitMs?: number | undefined;
}

/** A host that does not answer keeps its place until its time is over. */
const CONCURRENCY = 16;

const LATE: Inspection = {
  problems: [],
  remarks: ['was not looked at: the hosts before it took all the time; --check-urls waits for each'],
};

/** Looks at each URL once, some at a time. A URL whose turn does not come before the time is over gets a remark. */
export async function checkUrls(
  urls: Iterable<string>,
  { check, clock, totalLimitMs }: UrlsCheckOptions,
): Promise<ReadonlyMap<string, Inspection>> {
  const endsAtMs = totalLimitMs === undefined ? undefined : clock.monotonicMs() + totalLimitMs;
  const look = async (url: string): Promise<Inspection> => {
    const leftMs = endsAtMs === undefined ? undefined : endsAtMs - clock.monotonicMs();
    return leftMs !== undefined && leftMs <= 0 ? LATE : check(url, leftMs);
  };
  const found = await pMap(new Set(urls), async (url) => [url, await look(url)] as const, {
    concurrency: CONCURRENCY,
  });
  return new Map(found);
}
