import type { SandboxAddresses } from '../config/with-sandbox.ts';
import type { Context } from './context.ts';

/** Well-formed, and worth nothing. */
const SANDBOX_KEY = 'sandbox-key-0001';
const SANDBOX_CREDITS = 1_000_000;

/**
 * Starts the sandbox inside this process. Its tasks are kept in the state folder, so that a run that was killed can be
 * continued by the next one, as with the real service.
 */
export async function startEmbeddedSandbox(
  context: Context,
  stateFolder: string,
): Promise<SandboxAddresses & { readonly close: () => Promise<void> }> {
  const { startSandbox } = await import('../sandbox/start-sandbox.ts');
  const { makeVideo } = await import('../sandbox/video/make-video.ts');
  const sandbox = await startSandbox({
    clock: context.clock,
    stateFolder,
    startingCredits: SANDBOX_CREDITS,
    faults: context.env.EVOLINK_SANDBOX_FAULTS,
    videoMaker: makeVideo,
  });
  return {
    apiUrl: sandbox.apiUrl,
    filesUrl: sandbox.filesUrl,
    key: SANDBOX_KEY,
    close: () => sandbox.close(),
  };
}
