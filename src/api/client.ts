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
  readTaskPage,
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
import { type Http, type HttpAnswer, HttpFailure, type HttpOptions, type HttpRequest } from './http-types.ts';
import { MAX_JSON_BYTES } from './json.ts';
import { proxyFor } from './proxy.ts';
import { classifyAnswer, classifyFailure } from './submit-outcome.ts';

/**
 * The address of an API without a slash at its end.
 * @throws EvolinkError `usage` for one that is not https (http on loopback), or has user name, query or fragment
 */
export function checkBaseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.hostname));
  if (
    url === undefined ||
    !isSafe ||
    url.username !== '' ||
    url.password !== '' ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    const shown = url === undefined ? '' : ` (${url.protocol}//${url.host})`;
    throw new EvolinkError(
      'usage',
      `the base URL of the API is not usable${shown}: it must be an https URL without user name, query or fragment`,
      {
        hint: 'see where it comes from: evolink config',
        charged: 'no',
      },
    );
  }
  return url.href.replace(/\/+$/, '');
}

/**
 * What a header can carry; a key from a file that holds more than the key would otherwise fail in the middle.
 * @throws EvolinkError `auth`
 */
export function checkKey(apiKey: string): void {
  if (/^[\x21-\x7e]{1,512}$/.test(apiKey)) return;
  throw new EvolinkError(
    'auth',
    'the API key is empty, too long, or holds white space or characters other than ASCII',
    {
      hint: 'copy it again from https://evolink.ai/dashboard/keys; see where it comes from: evolink config',
      charged: 'no',
    },
  );
}

/** An `Http` that loads the HTTP library when the first request is made: `--help` and most errors never need it. */
export function createLazyHttp(options: HttpOptions): Http {
  let loading: Promise<Http> | undefined;
  const load = () => {
    loading ??= import('./http.ts').then(({ createHttp }) => createHttp(options));
    return loading;
  };
  return {
    request: async (request) => (await load()).request(request),
    prepare: async () => void (await load()),
    open: async (request) => (await load()).open(request),
    isProxied: (url) => proxyFor(new URL(url), options.proxy) !== undefined,
    close: () => void loading?.then((http) => http.close()),
  };
}

export interface ApiClientOptions {
  readonly http: Http;
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly clock: Clock;
}

/** The service reads at most this many tasks at once. */
const MAX_BATCH = 50;

/**
 * The client of the service. The key lives in this closure alone: it is in no error, no result, no property.
 * @throws EvolinkError `auth` for a key that can't stand in a header, `usage` for a base URL that is not https (or
 * loopback); neither shows the value of the key
 */
export function createApiClient({ http, baseUrl, apiKey, clock }: ApiClientOptions): ApiClient {
  const base = checkBaseUrl(baseUrl);
  checkKey(apiKey);
  const secrets = createSecrets();
  secrets.add(apiKey);
  const clean = createCleanText(secrets);

  function send(
    path: string,
    request: Pick<HttpRequest, 'method' | 'signal' | 'freshConnection'> & {
      body?: unknown;
      headers?: object;
    },
  ) {
    const { body, headers, ...rest } = request;
    return http.request({
      ...rest,
      url: `${base}${path}`,
      headers: {
        accept: 'application/json',
        authorization: `Bearer ${apiKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      maxBytes: MAX_JSON_BYTES,
    });
  }

  /** One read: the parsed JSON with its answer. */
  async function read(path: string, options: { signal?: AbortSignal | undefined; body?: unknown } = {}) {
    const method = options.body === undefined ? 'GET' : 'POST';
    const answer = await send(path, { method, ...options }).catch((error: unknown) => {
      throw error instanceof HttpFailure ? toReadError(error) : error;
    });
    return { answer, json: readJsonAnswer(answer, { clean, nowMs: clock.now() }) };
  }

  function stamp(task: TaskSnapshot, answer: HttpAnswer, json: unknown): TaskSnapshot {
    const requestId = readRequestId(answer.headers, json);
    return {
      ...task,
      serverNowMs: parseHttpDate(answer.headers.date ?? ''),
      requestId: requestId && clean(requestId, { maxLength: 120 }),
    };
  }

  async function readBatch(
    taskIds: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<readonly TaskSnapshot[]> {
    const { answer, json } = await read('/v1/tasks/batch', { body: { task_ids: taskIds }, signal });
    const tasks = readTaskBatch(json, clean);
    if (tasks === undefined) throw unusableError(answer, 'holds no list of tasks', true);
    return tasks.filter(({ id }) => taskIds.includes(id)).map((task) => stamp(task, answer, json));
  }

  /** Names the account, as the task may be that of another one. What it means is for the caller to say. */
  function unknownTask({ facts }: ApiReadError, taskId: string): ApiReadError {
    return new ApiReadError(
      'task-failed',
      `the service does not know task ${taskId} in the account of the key ${maskSecret(apiKey)} [${facts.httpStatus} ${facts.serviceCode}]`,
      { facts, isTransient: false, isUnknownTask: true },
    );
  }

  return {
    baseUrl: base,
    prepare: async () => http.prepare?.(),

    async submit(body, { idempotencyKey, signal }) {
      checkIdempotencyKey(idempotencyKey);
      try {
        const answer = await send('/v1/videos/generations', {
          method: 'POST',
          body,
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
      const { answer, json } = await read(`/v1/tasks/${encodeURIComponent(taskId)}`, { signal }).catch(
        (error: unknown) => {
          throw error instanceof ApiReadError && error.isUnknownTask ? unknownTask(error, taskId) : error;
        },
      );
      const task = readTask(json, clean, taskId);
      if (task === undefined) throw unusableError(answer, 'holds no readable task', true);
      if (task.id !== taskId) throw unusableError(answer, 'is about another task', true);
      return stamp(task, answer, json);
    },

    async listTasks({ model, page, pageSize }, signal) {
      const query = new URLSearchParams({
        ...(model === undefined ? {} : { model }),
        page: `${page}`,
        page_size: `${pageSize}`,
      });
      return orMissing(async () => {
        const { answer, json } = await read(`/v1/tasks?${query}`, { signal });
        const listed = readTaskPage(json, clean, { page, pageSize });
        if (listed === undefined) throw unusableError(answer, 'holds no list of tasks', true);
        return { ...listed, serverNowMs: parseHttpDate(answer.headers.date ?? '') };
      });
    },

    async getTasks(taskIds, signal) {
      for (const id of taskIds) checkTaskId(id);
      return orMissing(async () => {
        const tasks: TaskSnapshot[] = [];
        for (let at = 0; at < taskIds.length; at += MAX_BATCH) {
          tasks.push(...(await readBatch(taskIds.slice(at, at + MAX_BATCH), signal)));
        }
        return tasks;
      });
    },

    async getCredits(signal) {
      const { answer, json } = await read('/v1/credits', { signal });
      const credits = readCredits(json);
      if (credits === undefined) throw unusableError(answer, 'names no credits', true);
      return credits;
    },
  };
}

/** `undefined` where the service has no such operation: it is not documented. */
async function orMissing<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof ApiReadError && isMissingOperation(error)) return undefined;
    throw error;
  }
}

function checkIdempotencyKey(key: string): void {
  if (/^[A-Za-z0-9._-]{16,96}$/.test(key)) return;
  throw new EvolinkError(
    'internal',
    'the idempotency key of the request has a wrong form; nothing was sent',
    { charged: 'no' },
  );
}

function checkTaskId(taskId: string): void {
  const isUsable: boolean = isTaskId(taskId);
  if (isUsable) return;
  throw new EvolinkError('usage', `not a task id: ${JSON.stringify(taskId.slice(0, 80))}`, {
    hint: 'task ids look like task-unified-1774857405-abc123; list the known ones: evolink status',
  });
}
