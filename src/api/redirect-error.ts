import { EvolinkError } from '../errors.ts';
import type { CleanText } from './clean-text.ts';
import type { HttpAnswer } from './http-types.ts';

/** The error for a redirect, which is never followed: it would carry the key to where somebody else points. */
export function redirectError({ url, status, headers }: HttpAnswer, clean: CleanText): EvolinkError {
  const base = new URL(url);
  const location = headers.location ?? '';
  const target = URL.canParse(location, base.href) ? new URL(location, base).host : 'nowhere';
  return new EvolinkError(
    'network',
    `${base.host} redirects to ${clean(target, { maxLength: 200 })}, and evolink never follows with the key [${status}]`,
    {
      hint: 'if the API has moved, set base_url to its new address: evolink doctor',
      charged: 'no',
      retryable: false,
      httpStatus: status,
    },
  );
}
