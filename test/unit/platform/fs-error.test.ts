import { expect, test } from 'vitest';
import { describeFsError, localIoError } from '../../../src/platform/fs-error.ts';

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: something, open '/secret/path'`), { code });
}

test.each([
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the disk quota is used up'],
  ['EROFS', 'the file system is read-only'],
  ['EACCES', 'permission denied'],
  ['ENAMETOOLONG', 'the name is too long for the file system'],
  ['EWHATEVER', 'the system answered EWHATEVER'],
])('%s is "%s"', (code, phrase) => {
  expect(describeFsError(systemError(code))).toBe(phrase);
});

test('the error for people names path and reason, never the system message', () => {
  const error = localIoError(systemError('ENOSPC'), 'write', '/videos/a.mp4');
  expect(error.message).toBe('cannot write "/videos/a.mp4": the disk is full');
  expect(error).toMatchObject({
    kind: 'local-io',
    exit: 11,
    facts: { hint: expect.stringContaining('free some space') },
  });
  expect(localIoError(error, 'other', '/x')).toBe(error);
});
