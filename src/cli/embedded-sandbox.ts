import { join } from 'node:path';
import type { SandboxAddresses } from '../config/trust.ts';
import type { Context } from '../platform/context.ts';
import { ensureFolder } from '../platform/folders.ts';

/** Well-formed, and worth nothing. */
const SANDBOX_KEY = 'sandbox-key-0001';
const SANDBOX_CREDITS = 1_000_000;

/**
 * Starts the sandbox inside this process. Its tasks are kept in the state folder, so that a run that was killed can be
 * continued by the next one, as with the real service.
 * @throws EvolinkError `local-io` when that folder cannot be made
 */
export async function startEmbeddedSandbox(
  context: Context,
  stateFolder: string,
): Promise<SandboxAddresses & { readonly close: () => Promise<void> }> {
  // A folder that cannot be written is a matter of this machine, not a bug of the sandbox.
  await ensureFolder(join(stateFolder, 'tasks'));
  const { startSandbox } = await import('../sandbox/start-sandbox.ts');
  const sandbox = await startSandbox({
    clock: context.clock,
    stateFolder,
    startingCredits: SANDBOX_CREDITS,
    faults: context.env.EVOLINK_SANDBOX_FAULTS,
  });
  return {
    apiUrl: sandbox.apiUrl,
    filesUrl: sandbox.filesUrl,
    key: SANDBOX_KEY,
    close: () => sandbox.close(),
  };
}
