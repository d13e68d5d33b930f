import { EvolinkError } from '../errors.ts';
import { addressKind } from './address-kind.ts';
import { createApiHandler } from './api-server.ts';
import { createContext } from './create-context.ts';
import type { FaultPlan } from './faults/fault-types.ts';
import type { Ledger } from './ledger.ts';
import { createLinkHandler } from './link-server.ts';
import { type Listening, type ListenOptions, listen } from './listen.ts';
import type { SandboxOptions } from './sandbox-options.ts';

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
  const host = checkOptions(options);
  const stop = new AbortController();
  let linkUrl = '';
  const { context, requestLog } = createContext(options, { signal: stop.signal, linkUrl: () => linkUrl });
  const servers: Listening[] = [];
  const close = async (): Promise<void> => {
    stop.abort();
    context.tasks.close();
    await Promise.all(servers.map((server) => server.close()));
    await context.uploads.close();
  };
  try {
    const link = await listenForLinks(options, {
      host,
      handle: requestLog.wrap('link', createLinkHandler(context)),
    });
    servers.push(link);
    linkUrl = link.url;
    const handle = requestLog.wrap('api', createApiHandler(context));
    const api = await listen({ host, port: options.port ?? 0, handle });
    servers.push(api);
    return {
      apiUrl: api.url,
      filesUrl: api.url,
      linkUrl,
      ledger: context.ledger,
      addFaults: context.addFaults,
      advanceClock: (durationMs) => {
        context.clock.move(durationMs);
        context.tasks.settleDue();
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The port after the API's is only a wish unless it was asked for. */
function listenForLinks(options: SandboxOptions, place: Omit<ListenOptions, 'port'>): Promise<Listening> {
  const { port = 0, linkPort } = options;
  if (linkPort !== undefined || port === 0) return listen({ ...place, port: linkPort ?? 0 });
  return listen({ ...place, port: port + 1 }).catch(() => listen({ ...place, port: 0 }));
}

function checkOptions({ host = '127.0.0.1', speed = 60 }: SandboxOptions): string {
  const url = `http://${host.includes(':') ? `[${host}]` : host}`;
  if (!URL.canParse(url) || addressKind(new URL(url)) !== 'loopback') {
    throw new EvolinkError('usage', `the sandbox listens on loopback only, not on "${host}"`, {
      hint: 'use 127.0.0.1',
    });
  }
  if (!(speed > 0 && Number.isFinite(speed))) {
    throw new EvolinkError('usage', `the speed must be a number above 0, not ${speed}`, {
      hint: 'evolink sandbox --speed 60',
    });
  }
  return host;
}
