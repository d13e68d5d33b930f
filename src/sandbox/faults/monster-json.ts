import type { ServerResponse } from 'node:http';

const MEGABYTE = 1024 * 1024;

/** Answers 200 with a JSON object of that many megabytes, written piece by piece. */
export async function sendHugeJson(response: ServerResponse, id: string, megabytes: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write(`{"id":${JSON.stringify(id)},"padding":"`);
  const piece = Buffer.alloc(MEGABYTE, 'a');
  for (let sent = 0; sent < megabytes && !response.destroyed; sent += 1) {
    // A reader that gives up never drains: the wait ends with the connection as well.
    if (!response.write(piece)) await drainOrClose(response);
  }
  response.end('"}');
}

function drainOrClose(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      response.off('drain', finish);
      response.off('close', finish);
      resolve();
    };
    response.on('drain', finish);
    response.on('close', finish);
  });
}

/** A JSON object that nests that many arrays. */
export function deepJson(id: string, levels: number): string {
  return `{"id":${JSON.stringify(id)},"nested":${'['.repeat(levels)}${']'.repeat(levels)}}`;
}
