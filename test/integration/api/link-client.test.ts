import type { LookupFunction } from 'node:net';
import { expect, it } from 'vitest';
import { createLinkClient } from '../../../src/api/links.ts';
import { makeHttp } from '../../helpers/api-client.ts';
import { serveRaw, TLS_FIXTURE } from '../../helpers/raw-server.ts';

const serve = (answer: string, tls = false) => serveRaw((connection) => connection.finish(answer), { tls });

async function read(url: string, resolver?: LookupFunction): Promise<string> {
  const http = makeHttp({ certificateAuthority: TLS_FIXTURE.cert });
  const { body } = await createLinkClient({ http, allowLoopback: true, resolver }).open(url, {});
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

it('a link is connected to the very address that was checked', async () => {
  const { port } = await serve('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  let count = 0;
  const rebinding: LookupFunction = (_host, _options, callback) => {
    count += 1;
    callback(null, [{ address: count === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }]);
  };
  expect(await read(`http://localhost:${port}/a`, rebinding)).toBe('ok');
  expect(count).toBe(1);
});

it('a bad certificate is told from a cut body, which may be whole another time', async () => {
  const tls = await serve('', true);
  const cut = await serve('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc');
  const here: LookupFunction = (_host, _options, callback) =>
    callback(null, [{ address: '127.0.0.1', family: 4 }]);
  await expect(read(`https://x.localhost:${tls.port}/a`, here)).rejects.toMatchObject({
    facts: { reason: 'certificate', isTransient: false },
  });
  await expect(read(`${cut.origin}/a?sig=SECRET`)).rejects.toMatchObject({
    facts: { reason: undefined, isTransient: true },
    message: expect.not.stringContaining('SECRET'),
  });
});
