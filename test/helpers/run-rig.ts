import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createSystemClock } from '../../src/platform/clock.ts';
import type { SandboxOptions } from '../../src/sandbox/context.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/start-sandbox.ts';
import { type CliHome, createCliHome } from './spawn-cli.ts';
import { tinyMp4 } from './tiny-mp4.ts';

export interface RunRig {
  readonly home: CliHome;
  readonly sandbox: Sandbox;
  /** Writes a file into the working folder. */
  write(name: string, text: string): void;
  /** Paid POSTs that reached the service so far. */
  posts(): number;
  /** Tasks that cost something at the end. */
  charged(): number;
  close(): Promise<void>;
}

export interface RunRigOptions extends Partial<SandboxOptions> {
  /** Waits of the binary and of the service shrink by this. Default 40; small where the clocks of two processes must agree. */
  readonly rate?: number;
}

/** The built binary, and a service of its own in this process, whose ledger tells what was paid for. */
export async function startRunRig({ rate = 40, ...options }: RunRigOptions = {}): Promise<RunRig> {
  const sandbox = await startSandbox({
    clock: createSystemClock({ rate }),
    seed: 7,
    speed: 60,
    startingCredits: 100_000,
    clip: 'shared',
    videoMaker: async () => tinyMp4(),
    ...options,
  });
  const home = createCliHome({
    EVOLINK_INTERNAL_CLOCK_RATE: String(rate),
    EVOLINK_BASE_URL: sandbox.apiUrl,
    EVOLINK_FILES_URL: sandbox.filesUrl,
    EVOLINK_API_KEY: 'sk-test-1234567890',
    CI: '1',
  });
  return {
    home,
    sandbox,
    write(name, text) {
      const path = join(home.work, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    },
    posts: () =>
      sandbox.ledger
        .requests()
        .filter(({ method, path }) => method === 'POST' && path === '/v1/videos/generations').length,
    charged: () => sandbox.ledger.charges().filter(({ state }) => state !== 'refunded').length,
    async close() {
      await sandbox.close();
      home.remove();
    },
  };
}
