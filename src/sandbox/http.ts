import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { EvolinkError } from '../errors.ts';
import { classifyAddress, isLoopbackHost } from '../platform/address-class.ts';

/** What an endpoint answers, before any fault touches it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The JSON behind the body, for faults that edit it. */
  readonly json?: unknown;
}

export function jsonAnswer(status: number, json: unknown, headers: Record<string, string> = {}): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(json),
    json,
  };
}

export function textAnswer(status: number, contentType: string, body: string): Answer {
  return { status, headers: { 'content-type': contentType }, body };
}

/** Writes an answer to its end. */
export function sendAnswer(response: ServerResponse, answer: Answer): void {
  const bytes = Buffer.from(answer.body);
  response.writeHead(answer.status, { ...answer.headers, 'content-length': bytes.length });
  response.end(bytes);
}

/** A refusal by this server. Its fields are the documented error envelope. */
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
}

/** Code, type and message that the documents give for a status; a fault that names none gets these. */
const DOCUMENTED: Readonly<Record<number, readonly [code: string, type: string, message: string]>> = {
  400: ['invalid_request', 'invalid_request_error', 'Invalid request parameters'],
  401: ['unauthorized', 'authentication_error', 'Invalid or expired token'],
  402: ['insufficient_quota', 'insufficient_quota', 'Insufficient quota. Please top up your account.'],
  403: ['model_access_denied', 'invalid_request_error', 'Token does not have access to this model'],
  404: ['task_not_found', 'invalid_request_error', 'Task not found'],
  409: [
    'idempotency_conflict',
    'invalid_request_error',
    'Idempotency-Key was used with another request body',
  ],
  413: ['request_too_large', 'invalid_request_error', 'Request body is too large'],
  429: ['rate_limit_exceeded', 'rate_limit_error', 'Too many requests, please try again later'],
  500: ['internal_error', 'api_error', 'Internal server error'],
  502: ['upstream_error', 'api_error', 'Upstream error'],
  503: ['service_unavailable', 'api_error', 'Service temporarily unavailable'],
};

export interface DocumentedError {
  readonly code: string;
  readonly type: string;
  readonly message: string;
}

/** The documented words for a status. */
export function documentedError(status: number): DocumentedError {
  const [code, type, message] =
    DOCUMENTED[status] ??
    (status < 500
      ? ['invalid_request', 'invalid_request_error', 'Invalid request']
      : ['internal_error', 'api_error', 'Internal server error']);
  return { code, type, message };
}

/** `{"error": {code, message, type, param?}}` */
export function toErrorBody(problem: ApiProblem): unknown {
  const { type } = documentedError(problem.status);
  const param = problem.param === undefined ? {} : { param: problem.param };
  return { error: { code: problem.code, message: problem.message, type, ...param } };
}

/** The service's limit for the body of a request. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

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

export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export interface ListenOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Must not reject. */
  readonly handle: Handler;
}

export interface Listening {
  /** Without a slash at the end. */
  readonly url: string;
  /** Cuts every connection. */
  close(): Promise<void>;
}

/**
 * Starts an HTTP server.
 * @throws EvolinkError `local-io` when the port cannot be had
 */
export async function listen({ host, port, handle }: ListenOptions): Promise<Listening> {
  const server = createServer((request, response) => {
    // A client that goes away in the middle is part of the game, for either stream.
    request.on('error', () => {});
    response.on('error', () => {});
    void handle(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(toListenError(error, { host, port })));
    server.listen({ host, port }, resolve);
  });
  const address = server.address();
  const realPort = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${realPort}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function toListenError(error: Error, { host, port }: { host: string; port: number }): EvolinkError {
  const code = 'code' in error ? String(error.code) : 'error';
  const reason =
    code === 'EADDRINUSE' ? 'is in use' : code === 'EACCES' ? 'is not allowed' : `cannot be used (${code})`;
  return new EvolinkError('local-io', `port ${port} on ${host} ${reason}`, {
    hint: 'let the sandbox choose one: `evolink sandbox --port 0`',
    charged: 'no',
  });
}

export type AddressKind = 'loopback' | 'private' | 'public';

/** Where the host of a URL lies, judged by its text alone: no name is ever looked up. */
export function addressKind(url: URL): AddressKind {
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (isLoopbackHost(host)) return 'loopback';
  const addressClass = classifyAddress(host);
  if (addressClass !== 'invalid') return addressClass === 'public' ? 'public' : 'private';
  const isPrivateName = !host.includes('.') || /\.(local|internal|invalid|test|lan|home\.arpa)$/.test(host);
  return isPrivateName ? 'private' : 'public';
}
