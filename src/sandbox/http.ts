import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { classifyAddress, isLoopbackHost } from '../platform/address-class.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** What an endpoint answers, before any fault touches it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The JSON behind the body, for faults that edit it. */
  readonly json?: unknown;
}

export function jsonAnswer(status: number, json: unknown, headers: Record<string, string> = {}): Answer {
  const contentType = { 'content-type': 'application/json; charset=utf-8' };
  return { status, headers: { ...contentType, ...headers }, body: JSON.stringify(json), json };
}

export function textAnswer(status: number, contentType: string, body: string): Answer {
  return { status, headers: { 'content-type': contentType }, body };
}

/** The error document of an object store. */
export function xmlAnswer(status: number, code: string, message: string): Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>\n`;
  return textAnswer(status, 'application/xml', body);
}

export function sendAnswer(response: ServerResponse, answer: Answer): void {
  const bytes = Buffer.from(answer.body);
  response.writeHead(answer.status, { ...answer.headers, 'content-length': bytes.length });
  response.end(bytes);
}

const BAD = 'invalid_request_error';
// biome-ignore format: one row a status
/** Code, type and message that the documents give for a status; a fault that names none gets these. */
const DOCUMENTED: Readonly<Record<number, readonly [code: string, type: string, message: string]>> = {
  400: ['invalid_request', BAD, 'Invalid request parameters'],
  401: ['unauthorized', 'authentication_error', 'Invalid or expired token'],
  402: ['insufficient_quota', 'insufficient_quota', 'Insufficient quota. Please top up your account.'],
  403: ['model_access_denied', BAD, 'Token does not have access to this model'],
  404: ['task_not_found', BAD, 'Task not found'],
  409: ['idempotency_conflict', BAD, 'Idempotency-Key was used with another body'],
  413: ['request_too_large', BAD, 'Request body is too large'],
  429: ['rate_limit_exceeded', 'rate_limit_error', 'Too many requests, please try again later'],
  500: ['internal_error', 'api_error', 'Internal server error'],
  502: ['upstream_error', 'api_error', 'Upstream error'],
  503: ['service_unavailable', 'api_error', 'Service temporarily unavailable'],
};

export function documentedError(status: number) {
  const [code = '', type = '', message = ''] =
    DOCUMENTED[status] ?? DOCUMENTED[status < 500 ? 400 : 500] ?? [];
  return { code, type, message };
}

/** A rejection by this server. Its fields are the documented error envelope. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly status: number;
  readonly code: string;
  /** The field that is wrong. */
  readonly param: string | undefined;

  constructor(status: number, code: string, message: string, param?: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }

  toAnswer(): Answer {
    const { code, message, status, param } = this;
    return jsonAnswer(status, { error: { code, message, type: documentedError(status).type, param } });
  }
}

/** A parameter that does not fit. */
export function invalid(param: string, message: string): ApiProblem {
  return new ApiProblem(400, 'invalid_parameter', message, param);
}

/** What a JSON file of the state folder holds; undefined where it is absent, or was torn by a kill. */
export function readJsonFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Writes a file of the state folder, whole at once: another process may read it, or write the same. Synchronous. */
export function writeWhole(path: string, data: string | Uint8Array): void {
  const temporary = `${path}.${randomUUID()}.tmp`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(temporary, data, { mode: 0o600 });
  renameSync(temporary, path);
}

/** Says whether a value is a plain JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The body of a request; undefined where it is larger, and then read to its end all the same.
 * @throws where it is cut off
 */
export async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    sizeBytes += chunk.length;
    if (sizeBytes <= maxBytes) chunks.push(chunk);
  }
  return sizeBytes > maxBytes ? undefined : Buffer.concat(chunks);
}

/** The service's limit for the body of a request. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/**
 * Reads a JSON object from a request.
 * @throws ApiProblem 413 above the limit, 400 for another content type or anything but one JSON object.
 */
export async function readJsonBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const refuse = (message: string) => new ApiProblem(400, 'invalid_request', message);
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? ''))
    throw refuse('Content-Type must be application/json');
  const bytes = await readBytes(request, MAX_BODY_BYTES);
  if (bytes === undefined)
    throw new ApiProblem(413, 'request_too_large', 'The request body is larger than 64 MB');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw refuse('The request body is not valid JSON in UTF-8');
  }
  if (!isRecord(value)) throw refuse('The request body must be a JSON object');
  return value;
}

/**
 * The URL that a request asks for: a path from the root, without broken escapes.
 * @throws ApiProblem 400 for every other form
 */
export function readTarget({ url: target = '' }: IncomingMessage): URL {
  try {
    if (!/^\/(?!\/)/.test(target)) throw new URIError('no path');
    const url = new URL(`http://sandbox${target}`);
    decodeURIComponent(url.pathname);
    return url;
  } catch {
    throw new ApiProblem(400, 'invalid_request', `Invalid URL: ${target.slice(0, 80)}`);
  }
}

/** RFC 6750 §2.1: what a bearer token may consist of. */
const BEARER = /^Bearer ([A-Za-z0-9\-._~+/]+=*)$/;

/**
 * Checks `Authorization: Bearer KEY`.
 * @param apiKeys the keys that are good; `undefined` = every well-formed one
 * @throws ApiProblem 401
 */
export function authenticate(request: IncomingMessage, apiKeys: readonly string[] | undefined): void {
  const key = BEARER.exec(request.headers.authorization ?? '')?.[1];
  if (key === undefined)
    throw new ApiProblem(401, 'unauthorized', 'Authorization must be of the form: Bearer YOUR_API_KEY');
  if (apiKeys?.includes(key) === false) throw new ApiProblem(401, 'unauthorized', 'Invalid or expired token');
}

/** Where the host of a URL lies, judged by its text alone: no name is ever looked up. */
export function addressKind(url: URL): 'loopback' | 'private' | 'public' {
  const host = url.hostname.replace(/\.$/, '');
  if (isLoopbackHost(host)) return 'loopback';
  const addressClass = classifyAddress(host);
  if (addressClass === 'public') return 'public';
  const isName = addressClass === 'invalid' && host.includes('.');
  return isName && !/\.(local|internal|invalid|test|lan|home\.arpa)$/.test(host) ? 'public' : 'private';
}
