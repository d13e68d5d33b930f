import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { EvolinkError } from '../errors.ts';
import { parseUrl } from '../platform/text.ts';
import { createContext, type SandboxOptions } from './context.ts';
import { ApiProblem, addressKind, type Handler, sendAnswer } from './http.ts';
import { createLinkHandler } from './links.ts';
import { createApiHandler } from './routes.ts';

/** The only address that is listened on. */
const HOST = '127.0.0.1';

/**
 * Starts the local EvoLink API on loopback. Nothing off this machine is ever contacted.
 * @throws EvolinkError `usage` for a bad option or fault, `local-io` when a port is taken
 */
export async function startSandbox(options: SandboxOptions) {
  const { speed = 60, port = 0 } = options;
  if (!(speed > 0 && Number.isFinite(speed)))
    throw new EvolinkError('usage', `the speed must be a number above 0, not ${speed}`, {
      hint: 'evolink sandbox --speed 60',
    });
  const stop = new AbortController();
  let linkUrl = '';
  const context = createContext(options, stop.signal, () => linkUrl);
  const { ledger, addFaults, advanceClock } = context;
  const servers: Server[] = [];
  const serve = async (name: 'api' | 'link', serverPort: number, handle: Handler): Promise<string> => {
    const server = createServer(async (request, response) => {
      // A client that goes away in the middle is part of the game, for either stream.
      request.on('error', () => {});
      response.on('error', () => {});
      try {
        checkHost(request, response);
        ledger.begin(name, request, response);
        await handle(request, response);
      } catch (error) {
        if (response.destroyed) return; // The client went away, or the sandbox closes.
        const isProblem = error instanceof ApiProblem;
        if (!isProblem) options.log?.(`sandbox error: ${error instanceof Error ? error.message : error}`);
        const problem = isProblem ? error : new ApiProblem(500, 'internal_error', 'Internal server error');
        if (response.headersSent) response.destroy();
        else sendAnswer(response, problem.toAnswer());
      }
    });
    servers.push(server);
    return `http://${HOST}:${await listen(server, serverPort)}`;
  };
  /** Cuts every connection. */
  const close = async (): Promise<void> => {
    stop.abort();
    context.tasks.close();
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
    await context.files.close();
  };
  try {
    linkUrl = await serve('link', 0, createLinkHandler(context));
    const apiUrl = await serve('api', port, createApiHandler(context));
    return {
      /** Base URL of the API, without a slash at the end. */
      apiUrl,
      /** Base URL of the files API. */
      filesUrl: apiUrl,
      /** Base URL of result links and uploaded files; credentials never belong there. */
      linkUrl,
      ledger,
      /** @throws EvolinkError `usage` for a plan that cannot be read */
      addFaults,
      /** Moves the server's own time: tasks end, links expire. */
      advanceClock,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A page of the web can give its own name this machine's address; the `Host` of its requests tells. */
function checkHost({ headers }: IncomingMessage, response: ServerResponse): void {
  const origin = parseUrl(`http://${headers.host}`);
  if (origin !== undefined && addressKind(origin) === 'loopback') return;
  response.setHeader('connection', 'close');
  throw new ApiProblem(403, 'forbidden_host', 'Only loopback hosts are answered');
}

/** What `listen` comes down to in every Node, without the look-up of a host's name and the modules for clusters. */
type Listen = (this: Server, address: string, port: number, family: 4) => void;

/** @throws EvolinkError `local-io` when the port cannot be had */
async function listen(server: Server & { readonly _listen2?: Listen }, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, port)));
    server.once('listening', resolve);
    if (server._listen2 === undefined) server.listen({ host: HOST, port });
    else server._listen2(HOST, port, 4);
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

function listenError(error: Error, port: number): EvolinkError {
  const code = 'code' in error ? String(error.code) : 'error';
  const reason = { EADDRINUSE: 'is in use', EACCES: 'is not allowed' }[code] ?? `cannot be used (${code})`;
  return new EvolinkError('local-io', `port ${port} on ${HOST} ${reason}`, {
    hint: 'let the sandbox choose one: `evolink sandbox --port 0`',
    charged: 'no',
  });
}
