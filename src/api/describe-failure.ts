import { HttpFailure, type HttpPhase } from './http-failure.ts';

/** Where an exchange stood when it failed. */
export interface ExchangeState {
  /** `api.evolink.ai:443`. */
  readonly target: string;
  /** `proxy.example:3128`, where one is used. */
  readonly proxy?: string | undefined;
  readonly phase: HttpPhase;
  readonly hasSentBytes: boolean;
}

// The resolver says ENOTFOUND for a mistyped name, but on macOS and Windows also while there is no network at all.
const DNS_CODES = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EAI_NODATA',
  'ENODATA',
  'ESERVFAIL',
  'EDNS',
]);
const CERTIFICATE =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_|PATH_LENGTH_|CRL_|ERROR_IN_C)/;
/** Faults of protocol or of configuration: before an answer has begun they do not pass by themselves. */
const PERMANENT = /^(ERR_SSL_|EPROTO$|HPE_|ERR_INVALID_|ERR_HTTP_INVALID|ERR_ADDRESS_|ERR_UNESCAPED_)/;
const PASSING_PROXY_STATUS = new Set([408, 429, 500, 502, 503, 504]);

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name was not found',
  EAI_AGAIN: 'the name lookup failed for now',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  EHOSTUNREACH: 'the host is unreachable',
  ENETUNREACH: 'the network is unreachable',
  ETIMEDOUT: 'the connection timed out',
  ERR_STREAM_PREMATURE_CLOSE: 'the connection was closed early',
  HPE_CLOSED_CONNECTION: 'more came than was announced',
  ERR_HTTP_CONTENT_LENGTH_MISMATCH: 'the body is shorter or longer than announced',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host',
  CERT_HAS_EXPIRED: 'the certificate has expired',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet (is the clock right?)',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate chain ends in an unknown authority',
};

const FAILED_TO: Readonly<Record<HttpPhase, string>> = {
  dns: 'could not find',
  connect: 'could not connect to',
  tls: 'could not make a secure connection to',
  proxy: 'could not reach',
  send: 'could not send the whole request to',
  response: 'no answer from',
  body: 'no whole answer from',
};

/** Turns any error of an exchange into our own words. Total: never throws, never keeps the error. */
export function describeFailure(error: unknown, state: ExchangeState): HttpFailure {
  const proxyStatus = readProxyStatus(error, state);
  if (proxyStatus !== undefined) return refusedByProxy(proxyStatus, state);
  const code = readCode(error);
  const phase = state.phase === 'connect' && DNS_CODES.has(code) ? 'dns' : state.phase;
  const isCertificate = CERTIFICATE.test(code);
  return new HttpFailure(
    `${opening(phase, state)}: ${WORDS[code] ?? generalWords(isCertificate)} (${code})`,
    {
      phase,
      code,
      hasSentBytes: state.hasSentBytes,
      isTransient: !isCertificate && (phase === 'body' || !PERMANENT.test(code)),
      isCertificate,
    },
  );
}

/** A limit of ours ran out; `limitName` is the word that people set: `connect`, `response`, `idle`. */
export function describeTimeout(limitName: string, limitMs: number, state: ExchangeState): HttpFailure {
  const limit = `${Math.round(limitMs / 100) / 10} s (${limitName} limit)`;
  return new HttpFailure(`${opening(state.phase, state)} within ${limit}`, {
    phase: state.phase,
    code: 'TIMEOUT',
    hasSentBytes: state.hasSentBytes,
    isTransient: true,
    isCertificate: false,
  });
}

function opening(phase: HttpPhase, { target, proxy }: ExchangeState): string {
  if (phase === 'proxy') return `${FAILED_TO.proxy} ${target} through the proxy ${proxy ?? ''}`.trimEnd();
  return `${FAILED_TO[phase]} ${target}`;
}

function generalWords(isCertificate: boolean): string {
  return isCertificate ? 'the certificate is not trusted' : 'the connection failed';
}

/** Only the proxy agent knows the status of a refused CONNECT, and tells it in its message alone. */
function readProxyStatus(error: unknown, state: ExchangeState): number | undefined {
  if (state.phase !== 'proxy' || !(error instanceof Error)) return undefined;
  const match = /^Bad response: (\d{3})$/.exec(error.message);
  return match === null ? undefined : Number(match[1]);
}

function refusedByProxy(status: number, state: ExchangeState): HttpFailure {
  const reason = status === 407 ? 'it wants other credentials' : 'it refused the connection';
  return new HttpFailure(`${opening('proxy', state)}: ${reason} (status ${status})`, {
    phase: 'proxy',
    code: `PROXY_${status}`,
    hasSentBytes: state.hasSentBytes,
    isTransient: PASSING_PROXY_STATUS.has(status),
    isCertificate: false,
  });
}

/** Codes are printed, so only what looks like one is taken. */
function readCode(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    const code = 'code' in at ? at.code : undefined;
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{2,60}$/.test(code) && code !== 'ERR_GOT_REQUEST_ERROR')
      return code;
  }
  return 'UNKNOWN';
}
