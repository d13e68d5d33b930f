/** How far an exchange came before it failed. `proxy`: the proxy did not give us a tunnel. */
export type HttpPhase = 'dns' | 'connect' | 'tls' | 'proxy' | 'send' | 'response' | 'body';

export interface HttpFailureFacts {
  readonly phase: HttpPhase;
  /** Node's or OpenSSL's code, `TIMEOUT` for a limit of ours, `UNKNOWN` for none. */
  readonly code: string;
  /** False only where the connection was provably never established, so that no byte of the request left. */
  readonly hasSentBytes: boolean;
  /** True for what may pass by itself. */
  readonly isTransient: boolean;
  readonly isCertificate: boolean;
}

/**
 * An exchange that got no whole answer. The message is our own words and names host and limit: never a header, a path,
 * a query, or a library's text; the library's error is not kept, as printing it would show the key.
 */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';
  readonly phase: HttpPhase;
  readonly code: string;
  readonly hasSentBytes: boolean;
  readonly isTransient: boolean;
  readonly isCertificate: boolean;

  constructor(message: string, facts: HttpFailureFacts) {
    super(message);
    this.phase = facts.phase;
    this.code = facts.code;
    this.hasSentBytes = facts.hasSentBytes;
    this.isTransient = facts.isTransient;
    this.isCertificate = facts.isCertificate;
  }
}
