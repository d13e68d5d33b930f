import { expect, it } from 'vitest';
import { runCommand } from '../../../src/platform/process.ts';

const node = (script: string, ...args: readonly string[]) => [process.execPath, '-e', script, ...args];

it('gives output and exit code, passes arguments as they are, and closes the input', async () => {
  const script =
    'process.stdin.on("end", () => { process.stdout.write(process.argv[1]); process.exit(7) }).resume()';
  expect(await runCommand(node(script, '$(id) "x"'))).toEqual({ exitCode: 7, stdout: '$(id) "x"' });
});

it('kills what does not end', async () => {
  const { exitCode } = await runCommand(node('setInterval(() => {}, 1000)'), { timeoutMs: 300 });
  expect(exitCode).toBe(124);
});

it('never rejects: a missing program, no program, a NUL, a missing folder, too much output', async () => {
  expect((await runCommand(['evolink-no-such-program'])).exitCode).toBe(127);
  expect((await runCommand([])).exitCode).toBe(127);
  expect((await runCommand([process.execPath, 'a\0b'])).exitCode).toBe(127);
  expect((await runCommand(node(''), { cwd: '/no/such/folder' })).exitCode).toBe(127);
  expect((await runCommand(node('process.stdout.write("x".repeat(200000))'))).exitCode).not.toBe(0);
});
