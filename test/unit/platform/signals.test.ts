import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { StoppedError } from '../../../src/errors.ts';
import { watchSignals } from '../../../src/platform/signals.ts';

/** A process that notes how it was ended and lives on. */
function fakeProcess(platform: NodeJS.Platform = 'linux') {
  const log: string[] = [];
  const emitter = new EventEmitter();
  const source = {
    pid: 7,
    platform,
    on: emitter.on.bind(emitter),
    off: emitter.off.bind(emitter),
    kill: (pid: number, signal: string) =>
      log.push(`kill ${pid} ${signal} with ${emitter.listenerCount(signal)} listeners`),
    exit: (code: number) => log.push(`exit ${code}`),
  };
  return { source, log, send: (signal: string) => emitter.emit(signal), emitter };
}

test('the first signal aborts with its name, the second one ends', () => {
  const { source, log, send } = fakeProcess();
  const watch = watchSignals(source, {
    onFirst: (signal) => log.push(`first ${signal}`),
    restoreTerminal: () => log.push('restore'),
  });
  send('SIGINT');
  expect(watch.signal.reason).toBeInstanceOf(StoppedError);
  expect(watch.signal.reason).toMatchObject({ signal: 'SIGINT' });
  send('SIGTERM');
  expect(log).toEqual(['first SIGINT', 'restore', 'kill 7 SIGTERM with 0 listeners', 'exit 143']);
});

test('an error in a callback stops neither the abort nor the end', () => {
  const { source, log, send } = fakeProcess();
  const fail = () => {
    throw new Error('broken');
  };
  const watch = watchSignals(source, { onFirst: fail, restoreTerminal: fail });
  expect(() => send('SIGHUP')).toThrow('broken');
  expect(watch.signal.aborted).toBe(true);
  expect(() => watch.raise()).toThrow('broken');
  expect(log).toEqual(['kill 7 SIGHUP with 0 listeners', 'exit 129']);
});

test('raise does nothing where no signal came; stop takes every listener away', () => {
  const { source, log, emitter } = fakeProcess();
  const watch = watchSignals(source);
  watch.raise();
  expect(log).toEqual([]);
  watch.stop();
  expect(emitter.eventNames()).toEqual([]);
});

test('on Windows the exit code carries the signal', () => {
  const { source, log, send } = fakeProcess('win32');
  const watch = watchSignals(source);
  send('SIGINT');
  watch.raise();
  expect(log).toEqual(['exit 130']);
});
