import type { LookupFunction } from 'node:net';
import { expect, it } from 'vitest';
import { createLinkClient } from '../../../src/api/links.ts';
import { makeHttp } from '../../helpers/api-client.ts';
import { serveRaw } from '../../helpers/raw-server.ts';

it('a link is connected to the very address that was checked', async () => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  const { port } = await serveRaw((connection) => connection.finish(answer));
  let count = 0;
  const resolver: LookupFunction = (_host, _options, callback) => {
    count += 1;
    callback(null, [{ address: count === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }]);
  };
  const client = createLinkClient({ http: makeHttp(), allowLoopback: true, resolver });
  const { status, close } = await client.open(`http://localhost:${port}/a`, {});
  close();
  expect([status, count]).toEqual([200, 1]);
});
