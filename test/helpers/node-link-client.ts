import { get, type IncomingMessage } from 'node:http';
import { type LinkClient, LinkFailure, type LinkResponse } from '../../src/api/http-types.ts';

/** The plainest link client there can be, for tests of what is built on one. */
export const nodeLinkClient: LinkClient = {
  open: (url, { range, ifRange, signal }) =>
    new Promise((resolve, reject) => {
      const headers = {
        'accept-encoding': 'identity',
        ...(range === undefined ? {} : { range }),
        ...(ifRange === undefined ? {} : { 'if-range': ifRange }),
      };
      const request = get(
        url,
        { headers, agent: false, ...(signal === undefined ? {} : { signal }) },
        (response) => {
          resolve(toLinkResponse(response));
        },
      );
      request.on('error', () => reject(new LinkFailure('network', 'the connection broke', true)));
    }),
};

function toLinkResponse(response: IncomingMessage): LinkResponse {
  const headers = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  );
  return {
    status: response.statusCode ?? 0,
    headers,
    body: readAll(response),
    close: () => response.destroy(),
  };
}

const MAX_QUEUED_CHUNKS = 64;

/** Everything that came is passed on before the break is: a response that is destroyed drops what it had buffered. */
function readAll(response: IncomingMessage): AsyncIterable<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let end: 'open' | 'whole' | 'broken' = 'open';
  let wake: () => void = () => undefined;
  const note = (next: 'whole' | 'broken') => () => {
    if (end === 'open') end = next;
    wake();
  };
  response.on('data', (chunk: Uint8Array) => {
    chunks.push(chunk);
    if (chunks.length >= MAX_QUEUED_CHUNKS) response.pause();
    wake();
  });
  response.on('end', note('whole')).on('error', note('broken')).on('close', note('broken'));
  return read();

  // Listening begins above, with the response: a break before the first read would go unheard otherwise.
  async function* read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = chunks.shift();
      if (chunk !== undefined) yield chunk;
      else if (end === 'whole') return;
      else if (end === 'broken') throw new LinkFailure('network', 'the connection broke', true);
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
          response.resume();
        });
      }
    }
  }
}
