import type { IncomingMessage } from 'node:http';
import { ApiProblem } from './api-problem.ts';

/** The service's limit for the body of a request. */
export const MAX_BODY_BYTES = 64 * 1024 * 1024;

/**
 * Reads a JSON object from a request.
 * @throws ApiProblem 413 above the limit, 400 for another content type or anything but one JSON object.
 */
export async function readJsonBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw new ApiProblem(400, 'invalid_request', 'Content-Type must be application/json');
  }
  const text = decode(await readBytes(request));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ApiProblem(400, 'invalid_request', 'The request body is not valid JSON');
  }
  if (!isRecord(value))
    throw new ApiProblem(400, 'invalid_request', 'The request body must be a JSON object');
  return value;
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    sizeBytes += chunk.length;
    if (sizeBytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  if (sizeBytes > MAX_BODY_BYTES)
    throw new ApiProblem(413, 'request_too_large', 'The request body is larger than 64 MB');
  return Buffer.concat(chunks);
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ApiProblem(400, 'invalid_request', 'The request body is not valid UTF-8');
  }
}

/** Says whether a value is a plain JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
