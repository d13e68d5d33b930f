import type { GenerateDependencies } from '../generate/dependencies.ts';
import type { EmitEvent } from '../generate/events.ts';
import type { UploadDependencies } from '../media/upload-file.ts';
import { createTempSweeper } from '../platform/sweep-temps.ts';
import type { Context } from './context.ts';
import type { Session } from './session.ts';

/** What the use cases are given; connects to the service. @throws EvolinkError `auth` without a usable key */
export async function createDependencies(
  context: Context,
  session: Session,
  emit: EmitEvent,
): Promise<GenerateDependencies> {
  const { api, links } = await session.connect();
  const { settings } = session;
  return {
    api,
    service: session.service,
    links,
    journal: session.journal,
    clock: context.clock,
    emit,
    stdout: context.io.stdout,
    limits: session.limits,
    submitWindowMs: settings.connectTimeoutMs.value + settings.responseTimeoutMs.value,
    lockWaitMs: session.lockWaitMs,
    workingFolder: context.cwd,
    toolVersion: context.version,
    tidyFolder: createTempSweeper(context.clock),
  };
}

/** What uploads are given; connects to the service. @throws EvolinkError `auth` without a usable key */
export async function createUploadDependencies(
  context: Context,
  session: Session,
): Promise<UploadDependencies> {
  const { createUploadCache } = await import('../media/upload-cache.ts');
  const { isStillThere } = await import('../media/check-url.ts');
  const { files, links } = await session.connect();
  const { clock, pid, host } = context;
  const { accountId } = files;
  return {
    files,
    clock,
    cache: createUploadCache({ stateFolder: session.stateFolder, accountId, clock, owner: { pid, host } }),
    isThere: (url, signal) => isStillThere(url, { links, clock, signal }),
  };
}
