import { expect, it } from 'vitest';
import { fixCommand } from '../../../src/media/fix-command.ts';

const TYPE = [{ rule: 'type', is: 'is OGG', allowed: 'mp3 or wav' }] as const;

it('names what it makes apart, where files differ in their type only', () => {
  const targets = ['x.ogg', 'x.m4a', 'x.mp3'].map((path) =>
    fixCommand({
      path,
      kind: 'audio',
      facts: { kind: 'audio', format: path.slice(2), mimeType: 'audio/x', sizeBytes: 1000, seconds: 5 },
      problems: TYPE,
    })?.at(-1),
  );
  expect(targets).toEqual(['x-ogg-fixed.mp3', 'x-m4a-fixed.mp3', 'x-fixed.mp3']);
});
