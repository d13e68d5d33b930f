import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { EvolinkError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';
import { createClipStore, type VideoMaker } from './clip-store.ts';
import { createSeededRandom, createServerClock, type ServerClock } from './clock.ts';
import type { SandboxContext, SandboxRules } from './context.ts';
import { createApiHandler } from './endpoints.ts';
import type { FaultPlan } from './fault-table.ts';
import { createFaultQueue, parseFaults } from './faults.ts';
import { addressKind, type Listening, type ListenOptions, listen } from './http.ts';
import {
  type CallbackAttempt,
  type Charge,
  createLedgerBook,
  createRequestLog,
  type Ledger,
  type LedgerBook,
  type LedgerTask,
  type RequestLog,
} from './ledger.ts';
import { createLinkHandler } from './link-server.ts';
import { MODEL_ROWS, toExtraRow } from './service.ts';
import { createTaskBook, createTaskStore, type TaskBook } from './task-book.ts';
import { lifeAt, resultLinks, type SandboxTask, toTaskObject } from './task-object.ts';
import { createUploadBook } from './uploads.ts';
import { createGenerationValidator } from './validation.ts';

export interface SandboxOptions {
  /** Port of the API; 0 or absent = any free one. */
  readonly port?: number | undefined;
  /** Port of result links and uploaded files; absent = the one after `port`, or any free one. */
  readonly linkPort?: number | undefined;
  /** A loopback address, `127.0.0.1` by default. */
  readonly host?: string | undefined;
  /** How many times faster than the service tasks end; 60 by default. */
  readonly speed?: number | undefined;
  readonly faults?: FaultPlan | undefined;
  readonly clock: Clock;
  /** The same seed gives the same ids and times. */
  readonly seed?: number | undefined;
  /** 1000 by default. */
  readonly startingCredits?: number | undefined;
  /** The keys that are good; any well-formed one by default. */
  readonly apiKeys?: readonly string[] | undefined;
  /** Whether Idempotency-Key is honoured; true by default. */
  readonly hasIdempotency?: boolean | undefined;
  /** Whether `GET /v1/tasks` exists; true by default. */
  readonly hasTaskList?: boolean | undefined;
  /** Keeps tasks, uploads and clips beyond this process. */
  readonly stateFolder?: string | undefined;
  /** `shared` makes one clip a size, length and sound; quicker than one a task, the default. */
  readonly clip?: 'per-task' | 'shared' | undefined;
  readonly videoMaker: VideoMaker;
  /** How long result links work, 24 h by default. */
  readonly linkLifeMs?: number | undefined;
  /** Model ids offered beyond the documented ones. */
  readonly extraModels?: readonly string[] | undefined;
  /** One line a request. */
  readonly log?: ((line: string) => void) | undefined;
}

const TIMEOUT_MS = 10_000;
/** Waits before the second, third and fourth try. */
const RETRY_DELAYS_MS = [1000, 2000, 4000];

interface CallbackOptions {
  readonly clock: ServerClock;
  readonly ledger: LedgerBook;
  /** Ends waits and open connections. */
  readonly signal: AbortSignal;
}

interface CallbackOrder {
  readonly taskId: string;
  readonly url: string;
  /** The task object. */
  readonly payload: unknown;
}

/**
 * POSTs the task object to its callback address, up to four times, until a 2xx answers. Only loopback addresses
 * are ever called; any other is noted as skipped. Never throws.
 */
async function callBack(order: CallbackOrder, options: CallbackOptions): Promise<void> {
  const note = (attempt: number, outcome: CallbackAttempt['outcome'], status?: number): void =>
    options.ledger.logCallback({
      taskId: order.taskId,
      url: order.url,
      atMs: options.clock.now(),
      attempt,
      outcome,
      status,
    });
  if (addressKind(new URL(order.url)) !== 'loopback') return note(1, 'skipped');
  for (const [index, delayMs] of [...RETRY_DELAYS_MS, undefined].entries()) {
    const status = await post(order, options);
    const isDelivered = status !== undefined && status >= 200 && status < 300;
    note(index + 1, isDelivered ? 'delivered' : status === undefined ? 'failed' : 'refused', status);
    if (isDelivered || delayMs === undefined || options.signal.aborted) return;
    const isStopped = await options.clock.sleep(delayMs, options.signal).then(
      () => false,
      () => true,
    );
    if (isStopped) return;
  }
}

/** One POST; `undefined` when no whole answer came within the timeout. */
function post(order: CallbackOrder, { clock, signal }: CallbackOptions): Promise<number | undefined> {
  const url = new URL(order.url);
  const body = Buffer.from(JSON.stringify(order.payload));
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    // A name such as x.localhost must not be looked up: what is called is this machine.
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const hostname = isIP(host) === 0 ? 'localhost' : host;
    const request = send({
      hostname,
      port: url.port,
      path: url.pathname + url.search,
      method: 'POST',
      headers,
      signal,
    });
    const cancel = clock.after(TIMEOUT_MS, () => request.destroy(), { isBackground: true });
    const finish = (status: number | undefined): void => {
      cancel();
      resolve(status);
    };
    request.on('response', (response) => {
      response.resume();
      response.on('end', () => finish(response.statusCode));
      response.on('close', () => finish(undefined));
    });
    request.on('error', () => finish(undefined));
    request.on('close', () => finish(undefined));
    request.end(body);
  });
}

const DAY_MS = 24 * 3_600_000;

interface ContextNeeds {
  /** Aborted when the sandbox closes. */
  readonly signal: AbortSignal;
  /** Known only once the link server listens. */
  readonly linkUrl: () => string;
}

/**
 * Builds everything that both servers share.
 * @throws EvolinkError `usage` for faults that cannot be read
 */
function createContext(
  options: SandboxOptions,
  { signal, linkUrl }: ContextNeeds,
): { readonly context: SandboxContext; readonly requestLog: RequestLog } {
  const clock = createServerClock(options.clock);
  const random = createSeededRandom(options.seed ?? Math.floor(options.clock.random() * 2 ** 32));
  const { stateFolder } = options;
  const faults = createFaultQueue();
  const addFaults = (plan: FaultPlan): void => {
    const parsed = parseFaults(plan);
    // A skewed clock is a state and not an event: it holds from now on.
    for (const { kind, amount } of parsed) if (kind === 'date-skew') clock.move((amount ?? 0) * 1000);
    faults.add(parsed.filter((fault) => fault.kind !== 'date-skew'));
  };
  addFaults(options.faults ?? []);

  const book = createLedgerBook();
  const requestLog = createRequestLog({ book, now: clock.now, log: options.log });
  const clipFolder = stateFolder === undefined ? undefined : join(stateFolder, 'clips');
  const clips = createClipStore({ videoMaker: options.videoMaker, folder: clipFolder });
  const linksOf = (task: SandboxTask): readonly string[] =>
    resultLinks(task, { linkUrl, linkLifeMs: options.linkLifeMs ?? DAY_MS });
  const onEnd = (task: SandboxTask): void => {
    if (task.callbackUrl === undefined) return;
    const payload = toTaskObject(task, clock.now(), linksOf);
    void callBack({ taskId: task.id, url: task.callbackUrl, payload }, { clock, ledger: book, signal });
  };
  const tasks = createTaskBook({ clock, random, clips, faults, store: createTaskStore(stateFolder), onEnd });
  const rules = toRules(options);
  const context: SandboxContext = {
    rules,
    clock,
    random,
    faults,
    tasks,
    clips,
    signal,
    linkUrl,
    linksOf,
    addFaults,
    ledger: toLedger(book.view, tasks, clock),
    uploads: createUploadBook({ clock, random, stateFolder }),
    validator: createGenerationValidator(rules.models),
    isReused: requestLog.isReused,
    noteFaults: requestLog.noteFaults,
  };
  return { context, requestLog };
}

function toRules(options: SandboxOptions): SandboxRules {
  const extra = (options.extraModels ?? []).map(toExtraRow).filter((row) => row !== undefined);
  return {
    speed: options.speed ?? 60,
    startingCredits: options.startingCredits ?? 1000,
    apiKeys: options.apiKeys,
    hasIdempotency: options.hasIdempotency ?? true,
    hasTaskList: options.hasTaskList ?? true,
    clip: options.clip ?? 'per-task',
    models: [...MODEL_ROWS, ...extra],
  };
}

type ToLedger = (sources: Pick<Ledger, 'charges' | 'tasks'>) => Ledger;

function toLedger(view: ToLedger, tasks: TaskBook, clock: ServerClock): Ledger {
  const oldestFirst = (): readonly SandboxTask[] => [...tasks.all()].reverse();
  const toTask = (task: SandboxTask): LedgerTask => {
    const { status } = lifeAt(task, clock.now());
    return { id: task.id, model: task.model, status, createdAtMs: task.createdAtMs };
  };
  return view({ charges: () => oldestFirst().map(toCharge), tasks: () => oldestFirst().map(toTask) });
}

function toCharge(task: SandboxTask): Charge {
  const state =
    task.end === undefined ? 'reserved' : task.end.status === 'completed' ? 'charged' : 'refunded';
  return {
    taskId: task.id,
    idempotencyKey: task.idempotencyKey,
    fingerprint: task.fingerprint,
    reservedCredits: task.reservedCredits,
    chargedCredits: task.end?.chargedCredits ?? 0,
    state,
  };
}

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
