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
