import type { IncomingMessage } from 'node:http';
import { ApiProblem } from './api-problem.ts';

/** RFC 6750 §2.1: what a bearer token may consist of. */
const BEARER = /^Bearer ([A-Za-z0-9\-._~+/]+=*)$/;

/**
 * Checks `Authorization: Bearer KEY`.
 * @param apiKeys the keys that are good; `undefined` = every well-formed one
 * @throws ApiProblem 401
 */
export function authenticate(request: IncomingMessage, apiKeys: readonly string[] | undefined): void {
  const header = request.headers.authorization;
  if (header === undefined) throw new ApiProblem(401, 'unauthorized', 'Missing Authorization header');
  const key = BEARER.exec(header)?.[1];
  if (key === undefined)
    throw new ApiProblem(401, 'unauthorized', 'Authorization must be of the form: Bearer YOUR_API_KEY');
  if (apiKeys !== undefined && !apiKeys.includes(key))
    throw new ApiProblem(401, 'unauthorized', 'Invalid or expired token');
}
