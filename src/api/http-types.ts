import type { LookupFunction } from 'node:net';
import type { Clock } from '../platform/clock.ts';
import type { ProxySettings } from './proxy.ts';

export interface HttpFailureFacts {
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
  readonly facts: HttpFailureFacts;

  constructor(message: string, facts: HttpFailureFacts) {
    super(message);
    this.facts = facts;
  }
}

/** Header names in lower case; a header that came several times is joined with `, `. */
type HttpHeaders = Readonly<Record<string, string | undefined>>;

export interface HttpOptions {
  readonly userAgent: string;
  readonly timeouts: {
    /** Name lookup, TCP, proxy and TLS together. */
    readonly connectMs: number;
    /** From the end of the request to the answer's headers; the bound of a small answer's whole body as well. */
    readonly responseMs: number;
    /** Without a byte in either direction while a body moves. */
    readonly idleMs: number;
  };
  readonly proxy: ProxySettings;
  readonly clock: Clock;
  /** Name lookup in the form of `dns.lookup`; absent = the system's. */
  readonly resolver?: LookupFunction | undefined;
  /** A certificate authority (PEM) to trust instead of the system's; people use `NODE_EXTRA_CA_CERTS`. */
  readonly certificateAuthority?: string | undefined;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** A form is streamed; an error in reading a file of it is thrown on, unchanged. */
  readonly body?: string | FormData | undefined;
  /** Bytes of the body that have been handed to the connection. */
  readonly onSent?: ((sentBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A connection of its own, never one from the pool. */
  readonly freshConnection?: boolean | undefined;
  /** Undoes a content coding of the answer; its headers stay those of the wire. */
  readonly shouldDecode?: boolean | undefined;
  /** Replaces the resolver for this request. Never asked when the request goes through a proxy. */
  readonly lookup?: LookupFunction | undefined;
}

interface HttpHead {
  readonly url: string;
  readonly status: number;
  readonly headers: HttpHeaders;
}

export interface HttpAnswer extends HttpHead {
  /** What arrived, never more than `maxBytes`. */
  readonly body: Uint8Array;
  /** The body went beyond `maxBytes` and was cut there. */
  readonly isTruncated: boolean;
  /** The connection ended before the body did; `body` holds what came until then. */
  readonly endedEarly?: HttpFailure | undefined;
}

export interface HttpStream extends HttpHead {
  /** Throws `HttpFailure` when cut, stalled, or shorter than announced. Must be read to its end, or closed. */
  readonly body: AsyncIterable<Uint8Array>;
  close(): void;
}

/** One exchange at a time: no redirects, no retry, no error by status. */
export interface Http {
  /** @throws HttpFailure, or `signal.reason` when aborted. A body that breaks off does not throw: see `endedEarly`. */
  request(request: HttpRequest & { readonly maxBytes: number }): Promise<HttpAnswer>;
  /** @throws HttpFailure, or `signal.reason` when aborted. */
  open(request: HttpRequest): Promise<HttpStream>;
  /** Loads what the first request needs; absent where nothing has to be loaded. */
  prepare?(): Promise<void>;
  /** Drops idle connections. */
  close(): void;
}

/**
 * One answer of the link host. Header names in lower case. The body must be read or closed; it is what the headers say,
 * content coding undone, and breaks with a `LinkFailure` when it is cut or has more or fewer bytes than `content-length` says.
 */
export interface LinkResponse {
  readonly status: number;
  readonly headers: HttpHeaders;
  /** A chunk is valid until the next is asked for. */
  readonly body: AsyncIterable<Uint8Array>;
  close(): void;
}

/** Why a link could not be opened or read to its end. Its message is free of the link's query. */
export class LinkFailure extends Error {
  override readonly name = 'LinkFailure';
  /**
   * `address`: refused by our own rules; `redirect`: loop, downgrade, too many; `network`: may pass by itself; `surplus`:
   * more bytes came than were announced.
   */
  readonly reason: 'address' | 'redirect' | 'certificate' | 'network' | 'protocol' | 'surplus';
  readonly isTransient: boolean;

  constructor(reason: LinkFailure['reason'], message: string, isTransient: boolean) {
    super(message);
    this.reason = reason;
    this.isTransient = isTransient;
  }
}

/** Fetches result links: no credentials ever, own redirects rules, checked addresses. */
export interface LinkClient {
  /** One GET, redirects followed by the rules of R-E7. @throws LinkFailure */
  open(
    url: string,
    options: {
      readonly range?: string | undefined;
      readonly ifRange?: string | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<LinkResponse>;
}
