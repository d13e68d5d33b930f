import type { IncomingMessage } from 'node:http';
import type { SandboxContext } from './context.ts';
import type { FaultPoint } from './fault-table.ts';
import { filesAnswer } from './files.ts';
import {
  type Answer,
  ApiProblem,
  authenticate,
  type Handler,
  invalid,
  jsonAnswer,
  readJsonBody,
  readTarget,
  sendAnswer,
} from './http.ts';
import { roundCredits } from './service-tables.ts';
import { drain, isEarly, strikeEarly, strikeLate, takeFaults } from './strike-fault.ts';
import { submitEndpoint } from './submit.ts';
import { lifeAt, sumCredits, type TaskObject } from './tasks.ts';

interface Call {
  readonly request: IncomingMessage;
  readonly query: URLSearchParams;
  /** What the path's pattern caught. */
  readonly part: string;
}

type Endpoint = (call: Call, context: SandboxContext) => Answer | Promise<Answer>;
type Route = readonly [method: string, path: RegExp, point: FaultPoint | undefined, answer: Endpoint];

/** Method and path, where faults are looked for, and what answers. Without a point no key is needed. */
const ROUTES: readonly Route[] = [
  ['POST', /^\/v1\/videos\/generations$/, 'submit', submitEndpoint],
  ['POST', /^\/v1\/tasks\/batch$/, 'batch', batchEndpoint],
  ['GET', /^\/v1\/tasks$/, 'list', listEndpoint],
  ['GET', /^\/v1\/tasks\/([^/]+)$/, 'poll', pollEndpoint],
  ['GET', /^\/v1\/credits$/, 'credits', creditsEndpoint],
  ['POST', /^\/api\/v1\/files\/upload\/stream$/, 'upload', ({ request }, { files }) => files.upload(request)],
  ['GET', /^\/api\/v1\/files\/list$/, 'files', ({ query }, { files }) => files.list(query)],
  ['GET', /^\/api\/v1\/files\/quota$/, 'files', (_, { files }) => files.quota()],
  ['DELETE', /^\/api\/v1\/files\/([^/]+)$/, 'files', ({ part }, { files }) => files.remove(part)],
  ['GET', /^\/__sandbox\/ledger$/, undefined, ledgerEndpoint],
];

/** Serves the API and the files API. */
export function createApiHandler(context: SandboxContext): Handler {
  const { clock, random, rules } = context;
  return async (request, response) => {
    response.setHeader('date', new Date(clock.now()).toUTCString());
    response.setHeader('x-request-id', `req_${random.letters(20)}`);
    const { pathname, searchParams: query } = readTarget(request);
    const found = ROUTES.find(([method, path]) => method === request.method && path.test(pathname));
    const [, path, point, endpoint] = found ?? [];
    const exchange = { request, response, context };
    const fault =
      point && (await takeFaults(exchange, point, (kind) => !READING_KINDS.includes(kind))).exclusive;
    if (fault !== undefined && isEarly(fault)) return strikeEarly(fault, exchange);

    let answer: Answer;
    try {
      if (endpoint === undefined) throw notFound(request.method, pathname);
      if (point !== undefined) authenticate(request, rules.apiKeys);
      const part = decodeURIComponent(path?.exec(pathname)?.[1] ?? '');
      answer = await endpoint({ request, query, part }, context);
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      const isFiles = point === 'upload' || point === 'files';
      answer = isFiles ? filesAnswer(error.status, error.message) : error.toAnswer();
    }
    await drain(request);
    if (fault !== undefined && answer.status === 200) return strikeLate(fault, exchange, answer);
    sendAnswer(response, answer);
  };
}

function notFound(method: string | undefined, pathname: string): ApiProblem {
  const isOtherMethod = ROUTES.some(([, path]) => path.test(pathname));
  const [status, code] = isOtherMethod ? [405, 'method_not_allowed'] : [404, 'not_found'];
  return new ApiProblem(Number(status), String(code), `Invalid URL (${method} ${pathname})`);
}

const MAX_AT_ONCE = 50;
const ID_FORM = /^task-[A-Za-z0-9-]{1,120}$/;

/** `GET /v1/tasks/{id}`. */
async function pollEndpoint({ part: taskId }: Call, context: SandboxContext): Promise<Answer> {
  if (!ID_FORM.test(taskId))
    throw new ApiProblem(400, 'invalid_task_id', `Invalid task ID: ${taskId.slice(0, 80)}`);
  const task = await context.tasks.read(taskId);
  if (task === undefined) throw new ApiProblem(404, 'task_not_found', `Task not found: ${taskId}`);
  return jsonAnswer(200, spoil(context.toObject(task), context));
}

/** The two faults that change what a reading says of a task. */
const READING_KINDS: readonly string[] = ['word', 'empty-results'];

function spoil(task: TaskObject, { faults }: SandboxContext): TaskObject {
  const struck = (wanted: string) => faults.take('poll', {}, (kind) => kind === wanted)[0];
  const word = struck('word')?.options.word;
  if (word !== undefined) return { ...task, status: word, results: undefined };
  const isEmptied = task.status === 'completed' && struck('empty-results') !== undefined;
  return isEmptied ? { ...task, results: [], result_data: undefined } : task;
}

/** `GET /v1/tasks?status&model&page&page_size`, newest first, at most 50 a page, without links. */
function listEndpoint({ query }: Call, { rules, clock, tasks }: SandboxContext): Answer {
  if (!rules.hasTaskList) throw new ApiProblem(404, 'not_found', 'Invalid URL (GET /v1/tasks)');
  const page = wholeNumber(query, 'page', 1);
  const pageSize = Math.min(MAX_AT_ONCE, wholeNumber(query, 'page_size', 20));
  const [status, model] = [query.get('status'), query.get('model')];
  const found = tasks.all().map((task) => ({
    id: task.id,
    model: task.model,
    type: 'video',
    ...lifeAt(task, clock.now()),
    created_at: Math.floor(task.createdAtMs / 1000),
  }));
  // "processing" includes pending.
  const isWanted = (word: string) => word === status || (word === 'pending' && status === 'processing');
  const matching = found.filter(
    (task) => (status === null || isWanted(task.status)) && (model === null || model === task.model),
  );
  const data = matching.slice((page - 1) * pageSize, page * pageSize);
  return jsonAnswer(200, { object: 'list', total: matching.length, page, page_size: pageSize, data });
}

function wholeNumber(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name) ?? String(fallback);
  if (!/^[1-9]\d{0,8}$/.test(text)) throw invalid(name, `${name} must be a positive integer`);
  return Number(text);
}

/** `POST /v1/tasks/batch {"task_ids": […]}`: unknown ids are missing from the answer. */
async function batchEndpoint({ request }: Call, { tasks, toObject }: SandboxContext): Promise<Answer> {
  const { task_ids: ids } = await readJsonBody(request);
  const isList = Array.isArray(ids) && ids.every((each): each is string => typeof each === 'string');
  if (!isList || ids.length === 0 || ids.length > MAX_AT_ONCE)
    throw invalid('task_ids', `task_ids must hold 1 to ${MAX_AT_ONCE} ids`);
  const read = await Promise.all(ids.map((id) => (ID_FORM.test(id) ? tasks.read(id) : undefined)));
  return jsonAnswer(200, {
    code: 200,
    data: read.flatMap((task) => (task === undefined ? [] : toObject(task))),
  });
}

/** `GET /v1/credits`. The key has no limit of its own, so the number beside it means nothing, as at the service. */
function creditsEndpoint(_: Call, { rules, tasks }: SandboxContext): Answer {
  const { used, held } = sumCredits(tasks.all());
  const user = { remaining_credits: roundCredits(rules.startingCredits - used - held), used_credits: used };
  const token = { remaining_credits: 0, used_credits: used, unlimited_credits: true };
  return jsonAnswer(200, { success: true, message: '', data: { user, token } });
}

/** `GET /__sandbox/ledger`: everything that happened, as JSON. */
function ledgerEndpoint(_: Call, { ledger, faults, files }: SandboxContext): Answer {
  return jsonAnswer(200, {
    requests: ledger.requests(),
    charges: ledger.charges(),
    callbacks: ledger.callbacks,
    leaked_credentials: ledger.leakedCredentials(),
    aborted_uploads: files.abortedCount(),
    pending_faults: faults.pending(),
  });
}
