import { createHash, randomUUID } from 'node:crypto';
import type { OutputPlan } from '../config/output-pattern.ts';
import type { TaskRecord } from './record.ts';

/**
 * What "the same command again" means: the same request (its fingerprint) to the same service into the same place, as 64
 * hex digits. What to do with an existing file is no part of it: a run repeated with `--overwrite` must find the task that
 * was paid for, not buy a second one.
 * @param service as `serviceOf`; absent for EvoLink's own, and for a rehearsal, whose journal has no other
 */
export function requestIdentity(fingerprint: string, output: OutputPlan, service?: string): string {
  const place = output.kind === 'file' ? [output.kind, output.folder, output.pattern] : [output.kind];
  const of = service === undefined ? [] : [{ service }];
  return createHash('sha256')
    .update(JSON.stringify(['identity-1', fingerprint, ...place, ...of]))
    .digest('hex');
}

/** The identity that a record of this service has by its present place: another than its own where it was moved since. */
export function placedIdentity(
  { fingerprint, output }: Pick<TaskRecord, 'fingerprint' | 'output'>,
  service?: string,
): string {
  return requestIdentity(fingerprint, output, service);
}

/**
 * A new value for the `Idempotency-Key` header: made once per request, before the first call, and kept in its record.
 * A UUID fits what the service takes: 16 to 96 characters of `A-Za-z0-9._-`.
 */
export function newIdempotencyKey(): string {
  return randomUUID();
}
