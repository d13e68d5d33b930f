import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { LookupFunction } from 'node:net';
import { HttpProxyAgent, HttpsProxyAgent } from 'hpagent';

export interface ConnectionAgents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

export interface AgentWishes {
  readonly proxy?: URL | undefined;
  readonly isFresh: boolean;
  /** Ends a connection to the proxy that is still being made; nothing else would. */
  readonly signal: AbortSignal;
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
    pick({ proxy, isFresh, signal, resolver }) {
      if (proxy !== undefined) return createProxyAgents(proxy, { signal, lookup: resolver });
      if (isFresh)
        return { http: new HttpAgent({ keepAlive: false }), https: new HttpsAgent({ keepAlive: false }) };
      return pooled;
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
