import { PassThrough, Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { createSystemIo, type SystemIoOptions } from '../../../src/platform/io.ts';
import { createSecrets } from '../../../src/platform/text.ts';

function systemIo(fields: Partial<SystemIoOptions> = {}) {
  return createSystemIo({
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    stdin: () => Readable.from([]),
    env: {},
    ...fields,
  });
}

function tty(): PassThrough & { isTTY: boolean; columns: number } {
  return Object.assign(new PassThrough(), { isTTY: true, columns: 100 });
}

test('each stream is judged on its own', () => {
  const stdout = tty();
  const io = systemIo({ stdout, env: { TERM: 'xterm-256color', LANG: 'C.UTF-8' } });
  expect(io.stdout).toMatchObject({ isTty: true, colorLevel: 2, raw: stdout });
  expect(io.stderr).toMatchObject({ isTty: false, colorLevel: 0 });
  expect([io.stdout.columns(), io.stderr.columns(), io.isUnicode]).toEqual([100, 80, true]);
  stdout.columns = 40;
  expect(io.stdout.columns()).toBe(40);
  // A pseudo-terminal without a size.
  stdout.columns = 0;
  expect(io.stdout.columns()).toBe(80);
  expect(systemIo({ stdout, env: { TERM: 'xterm' }, flags: { color: false } }).stdout.colorLevel).toBe(0);
});

test('secrets are masked in every text; bytes pass as they are', async () => {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const secrets = createSecrets();
  const io = systemIo({ stdout, stderr, secrets });
  secrets.add('sk-0123456789');
  await io.stdout.write('key sk-0123456789\n');
  await io.stderr.write('key sk-0123456789\n');
  await io.stdout.write(new Uint8Array([0, 255]));
  expect(stdout.read()).toEqual(Buffer.concat([Buffer.from('key ***\n'), Buffer.from([0, 255])]));
  expect(String(stderr.read())).toBe('key ***\n');
});

test('reads all of standard input, characters cut between chunks too, up to a limit', async () => {
  const bytes = Buffer.from('개구리');
  const stdin = Readable.from([bytes.subarray(0, 4), bytes.subarray(4)]);
  expect(await systemIo({ stdin: () => stdin }).stdin.readText()).toBe('개구리');
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(1_000_000);
    })(),
  );
  await expect(systemIo({ stdin: () => endless }).stdin.readText()).rejects.toMatchObject({ kind: 'usage' });
});
