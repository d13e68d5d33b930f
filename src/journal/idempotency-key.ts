import { randomUUID } from 'node:crypto';

/**
 * A new value for the `Idempotency-Key` header: made once per request, before the first call, and kept in its record.
 * A UUID fits what the service takes: 16 to 96 characters of `A-Za-z0-9._-`.
 */
export function newIdempotencyKey(): string {
  return randomUUID();
}
