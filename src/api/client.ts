import { maskSecret } from '../config/api-key.ts';
import { EvolinkError } from '../errors.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import { type Clock, parseHttpDate } from '../platform/clock.ts';
import { createSecrets } from '../platform/text.ts';
import {
  type ApiClient,
  createCleanText,
  isTaskId,
  readCredits,
  readTask,
  readTaskBatch,
  readTaskList,
  type TaskSnapshot,
} from './answers.ts';
import {
  ApiReadError,
  isMissingOperation,
  readJsonAnswer,
  readRequestId,
  toReadError,
  unusableError,
} from './errors.ts';
import { type Http, HttpFailure, type HttpRequest } from './http.ts';
import { MAX_JSON_BYTES } from './json.ts';
import { classifyAnswer, classifyFailure } from './submit-outcome.ts';

/** @throws EvolinkError `usage` for a base URL that is not https (http on loopback), or has user name, query or fragment */
function checkBaseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.hostname));
  if (url !== undefined && isSafe && `${url.username}${url.password}${url.search}${url.hash}` === '')
    return url.href.replace(/\/+$/, '');
  const shown = url === undefined ? '' : ` (${url.protocol}//${url.host})`;
  const wish = 'it must be an https URL without user name, query or fragment';
  throw new EvolinkError('usage', `the base URL of the API is not usable${shown}: ${wish}`, {
    hint: 'see where it comes from: evolink config',
    charged: 'no',
  });
}

/** What a header can carry: a file that holds more than the key would fail in the middle. @throws EvolinkError `auth` */
function checkKey(apiKey: string): void {
  if (/^[\x21-\x7e]{1,512}$/.test(apiKey)) return;
  const flaw = 'is empty, too long, or holds white space or characters other than ASCII';
  throw new EvolinkError('auth', `the API key ${flaw}`, {
    hint: 'copy it again from https://evolink.ai/dashboard/keys; see where it comes from: evolink config',
    charged: 'no',
  });
}

export interface ServiceOptions {
  readonly http: Http;
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly clock: Clock;
}

/**
 * How both APIs of the service are called. The key lives in this closure alone: it is in no error, no result, no property.
 * @throws EvolinkError `auth` for a key that can't stand in a header, `usage` for a base URL that is not https (or
 * loopback); neither shows the value of the key
 */
export function openService({ http, baseUrl, apiKey, clock }: ServiceOptions, on: 'read' | 'file' = 'read') {
  const base = checkBaseUrl(baseUrl);
  checkKey(apiKey);
  const secrets = createSecrets();
  secrets.add(apiKey);
  const clean = createCleanText(secrets);

  function send(path: string, { json, ...request }: Partial<HttpRequest> & { readonly json?: unknown }) {
    const isJson = json !== undefined;
    const headers = {
      accept: 'application/json',
      authorization: `Bearer ${apiKey}`,
      ...(isJson ? { 'content-type': 'application/json' } : {}),
      ...request.headers,
    };
    const body = isJson ? JSON.stringify(json) : request.body;
    const method = request.method ?? (isJson ? 'POST' : 'GET');
    return http.request({
      ...request,
      method,
      body,
      headers,
      url: `${base}${path}`,
      maxBytes: MAX_JSON_BYTES,
    });
  }

  /** One call that costs nothing: the parsed JSON with its answer. @throws ApiReadError */
  async function read(path: string, call: Parameters<typeof send>[1] = {}) {
    const answer = await send(path, call).catch((error: unknown) => {
      throw error instanceof HttpFailure ? toReadError(error) : error;
    });
    const nowMs = clock.now();
    const json = readJsonAnswer(answer, { clean, nowMs, on });
    const requestId = readRequestId(answer, json);
    return {
      json,
      nowMs,
      stamp: {
        /** The service's clock at the time of the answer. */
        serverNowMs: parseHttpDate(answer.headers.date ?? ''),
        requestId: requestId && clean(requestId, { maxLength: 120 }),
      },
      /** What was found in the answer. @throws ApiReadError where nothing was */
      expect<T>(found: T | undefined, otherwise: string, isTransient = true): T {
        if (found === undefined) throw unusableError(answer, otherwise, isTransient);
        return found;
      },
    };
  }
  return { base, secrets, clean, send, read };
}

/** The service reads at most this many tasks at once. */
const MAX_BATCH = 50;

/** The client of the service. @throws EvolinkError as `openService` */
export function createApiClient(options: ServiceOptions): ApiClient {
  const { base, secrets, clean, send, read } = openService(options);
  const { http, apiKey, clock } = options;

  return {
    baseUrl: base,
    prepare: async () => http.prepare?.(),

    async submit(body, { idempotencyKey, signal }) {
      if (!/^[A-Za-z0-9._-]{16,96}$/.test(idempotencyKey)) {
        const text = 'the idempotency key of the request has a wrong form; nothing was sent';
        throw new EvolinkError('internal', text, { charged: 'no' });
      }
      try {
        const answer = await send('/v1/videos/generations', {
          json: body,
          signal,
          // A pooled socket may be dead already: a reset on it would leave open whether the request was read.
          freshConnection: true,
          headers: { 'idempotency-key': idempotencyKey },
        });
        return classifyAnswer(answer, { clean, secrets, nowMs: clock.now() });
      } catch (error) {
        if (error instanceof HttpFailure) return classifyFailure(error);
        throw error;
      }
    },

    async getTask(taskId, signal) {
      checkTaskId(taskId);
      const { json, stamp, expect } = await read(`/v1/tasks/${taskId}`, { signal }).catch(
        (error: unknown) => {
          if (!(error instanceof ApiReadError && error.isUnknownTask)) throw error;
          // Names the account, as the task may be that of another one. What it means is for the caller to say.
          const { facts, isTransient, isUnknownTask } = error;
          const text = `the service does not know task ${taskId} in the account of the key ${maskSecret(apiKey)}`;
          const code = `[${facts.httpStatus} ${facts.serviceCode}]`;
          throw new ApiReadError('task-failed', `${text} ${code}`, { facts, isTransient, isUnknownTask });
        },
      );
      const task = expect(readTask(json, clean, taskId), 'holds no readable task');
      expect(task.id === taskId || undefined, 'is about another task');
      return { ...task, ...stamp };
    },

    async listTasks({ model, page, pageSize }, signal) {
      const query = new URLSearchParams({
        page: `${page}`,
        page_size: `${pageSize}`,
        ...(model && { model }),
      });
      return orMissing(async () => {
        const { json, stamp, expect } = await read(`/v1/tasks?${query}`, { signal });
        return { ...stamp, tasks: expect(readTaskList(json, clean), 'holds no list of tasks') };
      });
    },

    async getTasks(taskIds, signal) {
      for (const id of taskIds) checkTaskId(id);
      return orMissing(async () => {
        const tasks: TaskSnapshot[] = [];
        for (let at = 0; at < taskIds.length; at += MAX_BATCH) {
          const asked = taskIds.slice(at, at + MAX_BATCH);
          const answer = await read('/v1/tasks/batch', { json: { task_ids: asked }, signal });
          const found = answer.expect(readTaskBatch(answer.json, clean), 'holds no list of tasks');
          for (const task of found) if (asked.includes(task.id)) tasks.push({ ...task, ...answer.stamp });
        }
        return tasks;
      });
    },

    async getCredits(signal) {
      const { json, expect } = await read('/v1/credits', { signal });
      return expect(readCredits(json), 'names no credits');
    },
  };
}

/** `undefined` where the service has no such operation: it is not documented. */
async function orMissing<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (isMissingOperation(error)) return undefined;
    throw error;
  }
}

function checkTaskId(taskId: string): void {
  if (isTaskId(taskId)) return;
  throw new EvolinkError('usage', `not a task id: ${JSON.stringify(String(taskId).slice(0, 80))}`, {
    hint: 'task ids look like task-unified-1774857405-abc123; list the known ones: evolink status',
  });
}
