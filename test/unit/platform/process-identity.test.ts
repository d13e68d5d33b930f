import { expect, test } from 'vitest';
import { isProcessAlive, parseProcessStat, processIdentity } from '../../../src/platform/lock.ts';

const rest = '1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21';

test('reads state and start of a process, whatever its command is called', () => {
  expect(parseProcessStat(`12 (node) S ${rest}`)).toEqual({ isEnded: false, startTicks: '987654' });
  expect(parseProcessStat(`12 (a) Z (b c) S ${rest}`)).toEqual({ isEnded: false, startTicks: '987654' });
  expect(parseProcessStat(`12 (node) Z ${rest}`)).toEqual({ isEnded: true, startTicks: '987654' });
  expect(parseProcessStat('torn')).toBeUndefined();
});

test('this process is alive; a number beyond all processes is not', () => {
  expect(isProcessAlive(process.pid)).toBe(true);
  expect(isProcessAlive(2 ** 22 + 1)).toBe(false);
  expect(processIdentity(2 ** 22 + 1).start).toBeUndefined();
});

test('two processes differ in their start', () => {
  expect(processIdentity(process.pid).start).not.toBe(processIdentity(process.ppid).start);
  expect(processIdentity(process.pid)).toEqual(processIdentity(process.pid));
});
