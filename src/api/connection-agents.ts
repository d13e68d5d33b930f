import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { LookupFunction, OnReadOpts } from 'node:net';
import { HttpProxyAgent, HttpsProxyAgent } from 'hpagent';

export interface ConnectionAgents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

/** What the exchange wants of the making of its connection. */
export interface Connecting {
  /** Ends a connection to the proxy that is still being made; nothing else would. */
  readonly signal: AbortSignal;
  /** Reads the connection in place of its stream: that of a fresh, direct one. */
  readonly onread?: OnReadOpts | undefined;
}

export interface AgentWishes extends Connecting {
  readonly proxy?: URL | undefined;
  readonly isFresh: boolean;
  readonly resolver?: LookupFunction | undefined;
}

export interface AgentPool {
  pick(wishes: AgentWishes): ConnectionAgents;
  close(): void;
}

/**
 * One keep-alive pool for direct connections. Fresh and proxied requests get agents of their own: a pooled socket may
 * have been closed by the other side a moment ago, and then nobody can say whether the request was read.
 */
export function createAgentPool(): AgentPool {
  const pooled = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) };
  return {
    pick({ proxy, isFresh, signal, onread, resolver }) {
      if (proxy !== undefined) return createProxyAgents(proxy, { signal, lookup: resolver });
      if (!isFresh) return pooled;
      const options = { keepAlive: false, ...(onread === undefined ? {} : { onread }) };
      return { http: new HttpAgent(options), https: new HttpsAgent(options) };
    },
    close() {
      pooled.http.destroy();
      pooled.https.destroy();
    },
  };
}

function createProxyAgents(
  proxy: URL,
  connection: { signal: AbortSignal; lookup: LookupFunction | undefined },
): ConnectionAgents {
  // `headers` is what the package's types know; `signal` and `lookup` are handed to node:http as they are.
  const options = { proxy, proxyRequestOptions: { headers: {}, ...connection } };
  return { http: new HttpProxyAgent(options), https: new HttpsProxyAgent(options) };
}
