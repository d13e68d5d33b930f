import type { IncomingMessage, ServerResponse } from 'node:http';
import { addFaultsEndpoint, ledgerEndpoint, moveClockEndpoint } from './admin-endpoints.ts';
import { type Answer, jsonAnswer, sendAnswer } from './answer.ts';
import { ApiProblem, toErrorBody } from './api-problem.ts';
import { authenticate } from './authenticate.ts';
import { isEarly, strikeEarly, strikeLate } from './faults/answer-faults.ts';
import { drain } from './faults/break-connection.ts';
import type { FaultPoint } from './faults/fault-types.ts';
import {
  fileDeleteEndpoint,
  fileListEndpoint,
  fileQuotaEndpoint,
  filesAnswer,
  uploadEndpoint,
} from './file-endpoints.ts';
import type { SandboxContext } from './sandbox-context.ts';
import { submitEndpoint } from './submit-endpoint.ts';
import { batchEndpoint, creditsEndpoint, listEndpoint, pollEndpoint } from './task-endpoints.ts';

interface Call {
  readonly request: IncomingMessage;
  readonly url: URL;
  /** What the path's pattern caught. */
  readonly part: string;
}

interface Route {
  readonly method: string;
  readonly path: RegExp;
  /** Where its faults are looked for; absent for the sandbox's own endpoints, which need no key either. */
  readonly point?: FaultPoint;
  readonly answer: (call: Call, context: SandboxContext) => Answer | Promise<Answer>;
}

const ROUTES: readonly Route[] = [
  {
    method: 'POST',
    path: /^\/v1\/videos\/generations$/,
    point: 'submit',
    answer: ({ request }, context) => submitEndpoint(request, context),
  },
  {
    method: 'POST',
    path: /^\/v1\/tasks\/batch$/,
    point: 'batch',
    answer: ({ request }, context) => batchEndpoint(request, context),
  },
  {
    method: 'GET',
    path: /^\/v1\/tasks$/,
    point: 'list',
    answer: ({ url }, context) => listEndpoint(url.searchParams, context),
  },
  {
    method: 'GET',
    path: /^\/v1\/tasks\/([^/]+)$/,
    point: 'poll',
    answer: ({ part }, context) => pollEndpoint(part, context),
  },
  {
    method: 'GET',
    path: /^\/v1\/credits$/,
    point: 'credits',
    answer: (_, context) => creditsEndpoint(context),
  },
  {
    method: 'POST',
    path: /^\/api\/v1\/files\/upload\/stream$/,
    point: 'upload',
    answer: ({ request }, context) => uploadEndpoint(request, context),
  },
  {
    method: 'GET',
    path: /^\/api\/v1\/files\/list$/,
    point: 'files',
    answer: ({ url }, context) => fileListEndpoint(url.searchParams, context),
  },
  {
    method: 'GET',
    path: /^\/api\/v1\/files\/quota$/,
    point: 'files',
    answer: (_, context) => fileQuotaEndpoint(context),
  },
  {
    method: 'DELETE',
    path: /^\/api\/v1\/files\/([^/]+)$/,
    point: 'files',
    answer: ({ part }, context) => fileDeleteEndpoint(part, context),
  },
  { method: 'GET', path: /^\/__sandbox\/ledger$/, answer: (_, context) => ledgerEndpoint(context) },
  {
    method: 'POST',
    path: /^\/__sandbox\/faults$/,
    answer: ({ request }, context) => addFaultsEndpoint(request, context),
  },
  {
    method: 'POST',
    path: /^\/__sandbox\/clock$/,
    answer: ({ request }, context) => moveClockEndpoint(request, context),
  },
];

/** Serves the API and the files API. */
export function createApiHandler(context: SandboxContext) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.setHeader('date', new Date(context.clock.now()).toUTCString());
    response.setHeader('x-request-id', `req_${context.random.letters(20)}`);
    const url = new URL(request.url ?? '/', 'http://api');
    const route = ROUTES.find((each) => each.method === request.method && each.path.test(url.pathname));
    const exchange = { request, response, clock: context.clock };
    const struck = takeFaults(route, exchange, context);
    const delay = struck.find((fault) => fault.kind === 'delay');
    if (delay?.amount !== undefined) await context.clock.sleep(delay.amount, context.signal);
    const fault = struck.find((each) => !each.isModifier);
    if (fault !== undefined && isEarly(fault)) return strikeEarly(fault, exchange);

    const answer = await answerRoute(route, { request, url, part: partOf(route, url) }, context);
    await drain(request);
    if (fault !== undefined && answer.status === 200) return strikeLate(fault, exchange, answer);
    sendAnswer(response, answer);
  };
}

function takeFaults(
  route: Route | undefined,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  context: SandboxContext,
) {
  if (route?.point === undefined) return [];
  const target = { isReusedConnection: context.isReused(request.socket) };
  const struck = context.faults.take(route.point, target, ['word', 'empty-results']);
  context.noteFaults(response, struck);
  return struck;
}

function partOf(route: Route | undefined, url: URL): string {
  const part = route?.path.exec(url.pathname)?.[1] ?? '';
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // A broken escape is no id that exists.
  }
}

async function answerRoute(route: Route | undefined, call: Call, context: SandboxContext): Promise<Answer> {
  const isFiles = route?.point === 'upload' || route?.point === 'files';
  try {
    if (route === undefined) throw notFound(call);
    if (route.point !== undefined) authenticate(call.request, context.rules.apiKeys);
    return await route.answer(call, context);
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    return isFiles ? filesAnswer(error.status, error.message) : jsonAnswer(error.status, toErrorBody(error));
  }
}

function notFound({ request, url }: Call): ApiProblem {
  const isOtherMethod = ROUTES.some((route) => route.path.test(url.pathname));
  const message = `Invalid URL (${request.method} ${url.pathname})`;
  return isOtherMethod
    ? new ApiProblem(405, 'method_not_allowed', message)
    : new ApiProblem(404, 'not_found', message);
}
