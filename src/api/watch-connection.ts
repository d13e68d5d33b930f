import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpPhase } from './http-failure.ts';

/** What is known of the connection of one exchange. */
export interface ConnectionWatch {
  /** Follows the request; called once, when it exists. */
  follow(request: ClientRequest): void;
  phase(): HttpPhase;
  /**
   * False only where it is proven that no byte of the request left: the request was seen, and its socket never
   * connected (for https: the handshake never ended with a trusted certificate). node:http holds everything back
   * until then, and writes it in the very event that is watched here.
   */
  hasSentBytes(): boolean;
}

export interface WatchEvents {
  onConnected(): void;
  onSent(): void;
}

/** Watches one exchange; `isSecure` for https, `isProxied` where a CONNECT comes first. */
export function watchConnection(
  options: { readonly isSecure: boolean; readonly isProxied: boolean },
  events: WatchEvents,
): ConnectionWatch {
  let request: ClientRequest | undefined;
  let isTcpUp = false;
  let isConnected = false;
  let isSent = false;

  const markConnected = () => {
    if (isConnected) return;
    isConnected = true;
    events.onConnected();
  };

  const adopt = (socket: Socket) => {
    const isReused = request?.reusedSocket === true;
    // A destroyed socket does not connect either: its name lookup failed at once.
    isTcpUp = isReused || (!socket.connecting && !socket.destroyed);
    if (isReused || (isTcpUp && !options.isSecure)) return markConnected();
    socket.once('connect', () => {
      isTcpUp = true;
      if (!options.isSecure) markConnected();
    });
    if (options.isSecure) socket.once('secureConnect', markConnected);
  };

  return {
    follow(seen) {
      request = seen;
      if (seen.socket) adopt(seen.socket);
      else seen.once('socket', adopt);
      seen.once('finish', () => {
        isSent = true;
        events.onSent();
      });
    },
    phase() {
      if (isConnected) return isSent ? 'response' : 'send';
      // A tunnel's socket is handed over only when the proxy has made it.
      if (options.isProxied && !request?.socket) return 'proxy';
      return isTcpUp ? 'tls' : 'connect';
    },
    hasSentBytes: () => request === undefined || isConnected,
  };
}
