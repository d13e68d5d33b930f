import { describe, expect, it } from 'vitest';
import { type RawConnection, type RawServer, serveRaw } from '../helpers/raw-server.ts';
import { errorOf, GENERATION, useRig } from '../helpers/rig.ts';

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
  [
    '100 Continue, then 101',
    (connection) => void connection.socket.write(`HTTP/1.1 100 Continue\r\n\r\n${SWITCH}`),
  ],
];

async function setUp(answer: (connection: RawConnection) => void) {
  return { rig: await useRig(), server: await serveRaw(answer) };
}

const posts = (server: RawServer): number =>
  server.allReceived().split('POST /v1/videos/generations').length - 1;

describe('an answer that is only ever informational', () => {
  it.each(ANSWERS)(
    'to the paid request: %s leaves the outcome unknown, and nothing is sent again',
    async (_name, answer) => {
      const { rig, server } = await setUp(answer);
      const result = await rig.generate({ env: { ...FAST, EVOLINK_BASE_URL: server.origin } });
      expect([result.code, posts(server)]).toEqual([8, 1]);
      expect(errorOf(result)).toMatchObject({
        code: 'unknown',
        charged: 'unknown',
        local_id: rig.records()[0]?.localId,
      });
      expect(rig.records()).toMatchObject([{ state: 'unknown', place: 'open' }]);
    },
  );

  it.each(ANSWERS)('to a read: %s is trouble of the network', async (_name, answer) => {
    const { rig, server } = await setUp(answer);
    const env = { ...FAST, EVOLINK_BASE_URL: server.origin };
    expect((await rig.run('credits --json', { env })).code).toBe(6);
  });

  it.each(ANSWERS)('to the reads of an accepted task: %s ends with the task named', async (_name, answer) => {
    const accepted = JSON.stringify({ id: 'task-unified-1700000000-abcdef', status: 'pending', progress: 0 });
    const { rig, server } = await setUp((connection) => {
      if (!connection.received().startsWith('POST /v1/videos')) answer(connection);
      else connection.finish(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n${accepted}`);
    });
    const env = { ...FAST, EVOLINK_BASE_URL: server.origin };
    const result = await rig.run([...GENERATION, '--timeout', '12s'], { env });
    expect([result.code, posts(server)]).toEqual([7, 1]);
    expect(rig.records()).toMatchObject([{ state: 'accepted', place: 'open' }]);
    expect(errorOf(result)).toMatchObject({ task_id: 'task-unified-1700000000-abcdef', charged: 'yes' });
  });

  it.each(ANSWERS)('to the files API: %s is trouble of the network', async (_name, answer) => {
    const { rig, server } = await setUp(answer);
    const env = { ...FAST, EVOLINK_FILES_URL: server.origin };
    expect((await rig.run('upload --list --json', { env })).code).toBe(6);
  });

  it('a few of them before the answer are no fault', async () => {
    const balance = JSON.stringify({ data: { user: { remaining_credits: 5 } } });
    const { rig, server } = await setUp((connection) =>
      connection.finish(
        `${HINTS.repeat(3)}HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n${balance}`,
      ),
    );
    const env = { ...FAST, EVOLINK_BASE_URL: server.origin };
    expect((await rig.run('credits --json', { env })).code).toBe(0);
  });
});
