import { connect } from 'node:net';
import { resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import { continueId } from '../task/failures.ts';
import { isOpen, type TaskRecord } from '../task/record.ts';
import { dismiss, lookOnceMore } from '../task/settle.ts';
import type { Invocation } from './flags.ts';
import { confirm, type Frame, runInFrame } from './frame.ts';
import { otherServiceError } from './records.ts';

/** `evolink forget ID`: dismisses a record that a person has judged, or puts a file away that can't be read as one. */
export function runForget({ context, args: [id = ''], options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const { session, reporter } = frame;
    const { signal } = context.signals;
    const ask = (finding: string) =>
      confirm(frame, {
        finding,
        verb: 'dismiss',
        warning: 'the request may have been charged; submitting it again may cost credits a second time',
      });
    const finish = async (name: string, movedTo: string | null): Promise<number> => {
      reporter.note(`dismissed: ${name}${movedTo === null ? '' : `, moved to ${movedTo}`}`);
      await reporter.print('forget', { id: name, state: 'dismissed', moved_to: movedTo }, '');
      return 0;
    };
    const path = resolve(context.cwd, id);
    const file = (await session.journal.readOpen()).unusable.find((unusable) => unusable.path === path);
    if (file !== undefined) {
      await ask(`${path} can't be read (${file.reason})`);
      return finish(path, await session.journal.putAway(path));
    }
    const record = await requireRecord(frame, id);
    const name = continueId(record);
    if (record.state === 'dismissed') return finish(name, null);
    const isStopped = !session.isSandbox && isOpen(record) && (await isServerGone(record.apiBaseUrl));
    if (!session.isOwn(record) && !isStopped) throw otherServiceError(record, 'forget', session.baseUrl);
    const { lockWaitMs, journal } = session;
    await ask(
      isStopped
        ? `nothing listens at ${record.apiBaseUrl} any more, so ${name} can't be looked for`
        : await lookOnceMore(await session.dependencies(reporter.event), record, signal),
    );
    await dismiss({ journal, lockWaitMs }, record, signal);
    return finish(name, null);
  });
}

/** By its whole id: what is dismissed is what was meant. */
async function requireRecord({ session }: Frame, id: string): Promise<TaskRecord> {
  const record = await session.journal.find(id);
  if (record !== undefined && (record.localId === id || record.taskId === id)) return record;
  throw new EvolinkError('usage', `no task on this machine has the id "${id}"`, {
    hint: record === undefined ? 'evolink status' : `give the whole id: evolink forget ${continueId(record)}`,
  });
}

/** Whether a service on this machine was stopped: its connections are refused. Any other may only be out of reach. */
function isServerGone(baseUrl: string): Promise<boolean> {
  const { hostname, port } = new URL(baseUrl);
  if (!isLoopbackHost(hostname)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect(Number(port || 80), hostname.replace(/^\[|\]$/g, ''));
    socket.once('connect', () => socket.destroy());
    socket.once('error', (error) => resolve('code' in error && error.code === 'ECONNREFUSED'));
    socket.once('close', () => resolve(false));
  });
}
