import { basename, dirname, isAbsolute, join } from 'node:path';
import type { PreparedMedia } from '../generate/prepare-media.ts';
import { describePlanFacts } from '../media/describe-facts.ts';
import { redactAddress } from '../request/redact-address.ts';
import type { ReferenceReport } from './run-report.ts';

export interface DescribedMedia {
  readonly references: readonly ReferenceReport[];
  readonly warnings: readonly string[];
}

const NONE: DescribedMedia = { references: [], warnings: [] };
/** Thousands of jobs may share their media, and are described several times. */
const KNOWN = new WeakMap<PreparedMedia, DescribedMedia>();

/** What a report says of the reference media of a job: names, roles, facts and doubts. */
export function describeMedia(media: PreparedMedia): DescribedMedia {
  if (media.reviews.length === 0) return NONE;
  const known = KNOWN.get(media) ?? describe(media);
  KNOWN.set(media, known);
  return known;
}

function describe({ reviews }: PreparedMedia): DescribedMedia {
  return {
    references: reviews.map(({ item, facts }) => ({
      name: item.name,
      role: item.role,
      label: item.isLocal ? pathLabel(item.label) : redactAddress(item.label),
      facts: facts && describePlanFacts(facts),
      isLocal: item.isLocal,
    })),
    warnings: reviews.flatMap(({ item, remarks }) =>
      remarks.map(
        (text) => `${item.name} "${item.isLocal ? item.label : redactAddress(item.label)}" ${text}`,
      ),
    ),
  };
}

/** Folders tell `A/front.png` from `B/front.png`; of a file outside the working folder its own is enough. */
function pathLabel(label: string): string {
  return isAbsolute(label) ? join(basename(dirname(label)), basename(label)) : label;
}
