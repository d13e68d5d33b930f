import { EvolinkError } from '../errors.ts';

export interface ListErrorFacts {
  /** Says how many there are; the message where they are several. */
  readonly summary: string;
  readonly hint?: string | undefined;
}

/** All problems of an input as one `usage` error, nothing being charged; a single one is the message itself. Pure. */
export function listError(lines: readonly string[], { summary, hint }: ListErrorFacts): EvolinkError {
  const [first] = lines;
  if (first !== undefined && lines.length === 1)
    return new EvolinkError('usage', first, { hint, charged: 'no' });
  return new EvolinkError('usage', summary, { details: lines, hint, charged: 'no' });
}
