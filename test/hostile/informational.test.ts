import { describe, expect, it } from 'vitest';
import { type RawConnection, serveRaw } from '../helpers/raw-server.ts';
import { errorOf, GENERATION, useRig } from '../helpers/rig.ts';
import type { Line } from '../helpers/spawn-cli.ts';

const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n';
const HINTS = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n';
/** Half a second, in which several of the slow ones come. */
const FAST = { EVOLINK_RESPONSE_TIMEOUT: '4s', EVOLINK_INTERNAL_CLOCK_RATE: '8' };

/** Writes what never ends an answer, as fast as it is read, until the other side goes. */
function flood({ socket }: RawConnection): void {
  const block = HINTS.repeat(100);
  const write = () => {
    while (!socket.destroyed && socket.write(block));
  };
  socket.on('drain', write);
  write();
}

/** One informational answer now and then: each would start a limit of silence anew. */
function drip({ socket }: RawConnection): void {
  const timer = setInterval(() => socket.write(HINTS), 100);
  socket.on('close', () => clearInterval(timer));
}

const ANSWERS: readonly (readonly [string, (connection: RawConnection) => void])[] = [
  ['101 and then silence', ({ socket }) => void socket.write(SWITCH)],
  ['101 and the end', (connection) => connection.finish(SWITCH)],
  ['101 and a reset', (connection) => connection.reset(SWITCH)],
  ['a flood of 103', flood],
  ['103 every 100 ms', drip],
  ['100 Continue, then 101', ({ socket }) => void socket.write(`HTTP/1.1 100 Continue\r\n\r\n${SWITCH}`)],
];

/** Runs a command against a server that answers so, which has the place of the service or of its files. */
async function ask(line: Line, answer: (connection: RawConnection) => void, place = 'EVOLINK_BASE_URL') {
  const [rig, server] = [await useRig(), await serveRaw(answer)];
  const result = await rig.run(line, { env: { ...FAST, [place]: server.origin } });
  const posts = server.allReceived().split('POST /v1/videos/generations').length - 1;
  return { rig, result, ends: [result.code, posts] };
}

const ok = (body: object) =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n${JSON.stringify(body)}`;

describe('an answer that is only ever informational', () => {
  it.each(ANSWERS)('to the paid request: %s: unknown, and nothing is sent again', async (_name, answer) => {
    const { rig, result, ends } = await ask(GENERATION, answer);
    expect(ends).toEqual([8, 1]);
    const error = { code: 'unknown', charged: 'unknown', local_id: rig.records()[0]?.localId };
    expect(errorOf(result)).toMatchObject(error);
    expect(rig.records()).toMatchObject([{ state: 'unknown', place: 'open' }]);
  });

  it.each(ANSWERS)('to a read: %s is trouble of the network', async (_name, answer) => {
    expect((await ask('credits --json', answer)).ends).toEqual([6, 0]);
  });

  it.each(ANSWERS)('to the reads of an accepted task: %s ends with the task named', async (_name, answer) => {
    const id = 'task-unified-1700000000-abcdef';
    const { rig, result, ends } = await ask([...GENERATION, '--timeout', '12s'], (connection) => {
      if (!connection.received().startsWith('POST /v1/videos')) answer(connection);
      else connection.finish(ok({ id, status: 'pending', progress: 0 }));
    });
    expect(ends).toEqual([7, 1]);
    expect(rig.records()).toMatchObject([{ state: 'accepted', place: 'open' }]);
    expect(errorOf(result)).toMatchObject({ task_id: id, charged: 'yes' });
  });

  it.each(ANSWERS)('to the files API: %s is trouble of the network', async (_name, answer) => {
    expect((await ask('upload --list --json', answer, 'EVOLINK_FILES_URL')).ends).toEqual([6, 0]);
  });

  it('a few of them before the answer are no fault', async () => {
    const answer = HINTS.repeat(3) + ok({ data: { user: { remaining_credits: 5 } } });
    const { ends } = await ask('credits --json', (connection) => connection.finish(answer));
    expect(ends).toEqual([0, 0]);
  });
});
