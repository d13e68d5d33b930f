import { join } from 'node:path';
import { callBack } from './callback-caller.ts';
import { createClipStore } from './clip-store.ts';
import { createFaultQueue } from './faults/fault-queue.ts';
import type { FaultPlan } from './faults/fault-types.ts';
import { parseFaults } from './faults/parse-faults.ts';
import { type Charge, createLedgerBook, type Ledger, type LedgerTask } from './ledger.ts';
import { createRequestLog, type RequestLog } from './log-requests.ts';
import { MODEL_ROWS, toExtraRow } from './model-rows.ts';
import { resultLinks } from './result-links.ts';
import type { SandboxContext, SandboxRules } from './sandbox-context.ts';
import type { SandboxOptions } from './sandbox-options.ts';
import type { SandboxTask } from './sandbox-task.ts';
import { createSeededRandom } from './seeded-random.ts';
import { createServerClock, type ServerClock } from './server-clock.ts';
import { createTaskBook, type TaskBook } from './task-book.ts';
import { lifeAt } from './task-life.ts';
import { createTaskStore } from './task-store.ts';
import { toTaskObject } from './task-view.ts';
import { createUploadBook } from './upload-book.ts';
import { createGenerationValidator } from './validate-generation.ts';

const DAY_MS = 24 * 3_600_000;

export interface ContextNeeds {
  /** Aborted when the sandbox closes. */
  readonly signal: AbortSignal;
  /** Known only once the link server listens. */
  readonly linkUrl: () => string;
}

/**
 * Builds everything that both servers share.
 * @throws EvolinkError `usage` for faults that cannot be read
 */
export function createContext(
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
