import { EvolinkError } from '../errors.ts';
import { createContext, type SandboxOptions } from './context.ts';
import type { FaultPlan } from './fault-table.ts';
import { addressKind, listen } from './http.ts';
import type { Ledger } from './ledger.ts';
import { createLinkHandler } from './links.ts';
import { createApiHandler } from './routes.ts';

/** A running local EvoLink. */
export interface Sandbox {
  /** Base URL of the API, without a slash at the end. */
  readonly apiUrl: string;
  /** Base URL of the files API. */
  readonly filesUrl: string;
  /** Base URL of result links and uploaded files; credentials never belong there. */
  readonly linkUrl: string;
  readonly ledger: Ledger;
  /** @throws EvolinkError `usage` for a plan that cannot be read */
  addFaults(plan: FaultPlan): void;
  /** Moves the server's own time: tasks end, links expire. */
  advanceClock(durationMs: number): void;
  close(): Promise<void>;
}

/**
 * Starts the local EvoLink API on loopback. Nothing off this machine is ever contacted.
 * @throws EvolinkError `usage` for a bad option or fault, `local-io` when a port is taken
 */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { host = '127.0.0.1', speed = 60 } = options;
  const url = `http://${host.includes(':') ? `[${host}]` : host}`;
  if (!URL.canParse(url) || addressKind(new URL(url)) !== 'loopback')
    throw new EvolinkError('usage', `the sandbox listens on loopback only, not on "${host}"`, {
      hint: 'use 127.0.0.1',
    });
  if (!(speed > 0 && Number.isFinite(speed)))
    throw new EvolinkError('usage', `the speed must be a number above 0, not ${speed}`, {
      hint: 'evolink sandbox --speed 60',
    });
  const stop = new AbortController();
  let linkUrl = '';
  const context = createContext(options, stop.signal, () => linkUrl);
  const { ledger, addFaults, advanceClock } = context;
  const servers: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    stop.abort();
    context.tasks.close();
    await Promise.all(servers.map((server) => server.close()));
    await context.files.close();
  };
  try {
    const link = await listen({ host, port: 0 }, ledger.wrap('link', createLinkHandler(context)));
    servers.push(link);
    linkUrl = link.url;
    const place = { host, port: options.port ?? 0 };
    const api = await listen(place, ledger.wrap('api', createApiHandler(context)));
    servers.push(api);
    return { apiUrl: api.url, filesUrl: api.url, linkUrl, ledger, addFaults, advanceClock, close };
  } catch (error) {
    await close();
    throw error;
  }
}
