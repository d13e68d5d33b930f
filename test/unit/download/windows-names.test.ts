import { describe, expect, it } from 'vitest';
import { planOutput } from '../../../src/download/output.ts';

const plan = (output: string, isWindows: boolean) =>
  planOutput({ output, cwd: '/work', onExisting: 'refuse', isFolder: async () => false, isWindows });

describe('names that a person writes out, on Windows', () => {
  it.each([
    ['CON', 'it stands for a device'],
    ['nul.mp4', 'it stands for a device'],
    ['clips/Com1.final.mp4', 'it stands for a device'],
    ['lpt³/clip.mp4', 'it stands for a device'],
    ['aux/{slug}.mp4', 'it stands for a device'],
    ['CON .mp4', 'it stands for a device'],
    ['clip.mp4:hidden', 'it has :'],
    ['what?.mp4', 'it has ?'],
    ['{slug}*.mp4', 'it has *'],
    ['a|b/clip.mp4', 'it has |'],
    ['clips./clip.mp4', 'it ends in a dot or a space'],
    ['clips /clip.mp4', 'it ends in a dot or a space'],
  ])('%j is refused before anything is paid for', async (output, reason) => {
    await expect(plan(output, true)).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(reason),
      facts: { charged: 'no', hint: expect.stringContaining('-o') },
    });
    await expect(plan(output, false)).resolves.toMatchObject({ kind: 'file' });
  });

  it.each(['clip.mp4', '../clips/{slug}-{id}.mp4', './a', 'console.mp4', 'com/clip', 'a.b.mp4'])(
    '%j is taken',
    async (output) => {
      await expect(plan(output, true)).resolves.toMatchObject({ kind: 'file' });
    },
  );
});
