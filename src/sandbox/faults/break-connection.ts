import type { IncomingMessage, ServerResponse } from 'node:http';

/** Ends the connection without an answer: RST, or FIN when asked for. */
export function breakConnection(response: ServerResponse, isPolite: boolean): void {
  const { socket } = response;
  if (socket === null || socket.destroyed) return;
  if (isPolite) socket.end();
  else socket.resetAndDestroy();
}

/** Sends the first bytes of a body under an announced length, then ends the connection. */
export async function sendCut(response: ServerResponse, bytes: Uint8Array, isPolite: boolean): Promise<void> {
  if (bytes.length > 0) await new Promise<void>((resolve) => response.write(bytes, () => resolve()));
  else response.flushHeaders();
  breakConnection(response, isPolite);
}

/** Reads a request to its end and throws the bytes away. */
export async function drain(request: IncomingMessage): Promise<void> {
  request.resume();
  if (request.readableEnded || request.destroyed) return;
  await new Promise<void>((resolve) => {
    request.on('end', resolve);
    request.on('close', resolve);
  });
}
