import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { askLine } from '../../../src/platform/io.ts';

function terminal() {
  const input = new PassThrough();
  const output = new PassThrough();
  return { input, output, shown: () => String(output.read() ?? '') };
}

describe('a question on the terminal', () => {
  it('is shown where it was asked for, and answered by one line', async () => {
    const streams = terminal();
    const answer = askLine('go on? [y/N] ', new AbortController().signal, streams);
    streams.input.write('yes\nmore\n');
    expect(await answer).toBe('yes');
    expect(streams.shown()).toContain('go on? [y/N] ');
  });

  it('is answered with nothing by an end of the input', async () => {
    const streams = terminal();
    const answer = askLine('go on? ', new AbortController().signal, streams);
    streams.input.end();
    expect(await answer).toBe('');
  });

  it('ends with the reason of the signal', async () => {
    const stop = new AbortController();
    const reason = new Error('stopped');
    const answer = askLine('go on? ', stop.signal, terminal());
    stop.abort(reason);
    await expect(answer).rejects.toBe(reason);
  });

  it('is not asked once the signal has come', async () => {
    const reason = new Error('stopped before');
    await expect(askLine('go on? ', AbortSignal.abort(reason), terminal())).rejects.toBe(reason);
  });
});
