import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { bundleScript } from '../../helpers/bundle-script.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

/** A process that works until it is stopped, says goodbye slowly, and then ends by the signal. */
async function startWorker(goodbyeMs: number): Promise<{ child: ChildProcess; output: () => string }> {
  const script = await bundleScript(
    await tempFolder(),
    'worker',
    `import { watchSignals } from './src/platform/signals.ts';
     const keepAlive = setInterval(() => {}, 1_000);
     const watch = watchSignals(process, () => console.log('restored'));
     watch.signal.addEventListener('abort', () => {
       console.log(watch.signal.reason.name + ' ' + watch.signal.reason.signal);
       setTimeout(() => {
         console.log('saved');
         clearInterval(keepAlive);
         watch.raise();
       }, ${goodbyeMs});
     });
     console.log('ready');`,
  );
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  await expect.poll(() => text).toContain('ready');
  return { child, output: () => text };
}

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s: the work is stopped, then the process ends by it',
  async (name) => {
    const { child, output } = await startWorker(1);
    child.kill(name);
    const [code, signal] = await once(child, 'close');
    expect([code, signal]).toEqual([null, name]);
    expect(output()).toBe(`ready\nStoppedError ${name}\nsaved\nrestored\n`);
  },
);

test('a second signal ends the process at once, the terminal restored', async () => {
  const { child, output } = await startWorker(3_600_000);
  child.kill('SIGTERM');
  await expect.poll(output).toContain('StoppedError');
  child.kill('SIGINT');
  const [code, signal] = await once(child, 'exit');
  expect([code, signal]).toEqual([null, 'SIGINT']);
  await expect.poll(output).toBe('ready\nStoppedError SIGTERM\nrestored\n');
});
