import { maskSecret } from '../config/api-key.ts';
import { EvolinkError } from '../errors.ts';
import { type Clock, parseHttpDate } from '../platform/clock.ts';
import { createSecrets } from '../platform/text.ts';
import type { WireBody } from '../request/fields.ts';
import {
  type Credits,
  createCleanText,
  isTaskId,
  type ListedTask,
  readCredits,
  readTask,
  readTasks,
  type SubmitOutcome,
  type TaskSnapshot,
} from './answers.ts';
import { ApiReadError, isRefusal, readRefusal, readRequestId, redirectError, toReadError } from './errors.ts';
import { type Http, HttpFailure, type HttpRequest } from './http.ts';
import { MAX_JSON_BYTES, parseJsonBody } from './json.ts';
import { classifyAnswer, classifyFailure } from './submit-outcome.ts';

export interface ServiceOptions {
  readonly http: Http;
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly clock: Clock;
}

/** How both APIs of the service are called. The key lives in this closure alone: it is in no error, no result, no property. */
export function openService({ http, baseUrl, apiKey, clock }: ServiceOptions, on: 'read' | 'file' = 'read') {
  const secrets = createSecrets();
  secrets.add(apiKey);
  const clean = createCleanText(secrets);

  function send(path: string, { json, ...request }: Partial<HttpRequest> & { readonly json?: unknown }) {
    const isJson = json !== undefined;
    return http.request({
      method: isJson ? 'POST' : 'GET',
      body: isJson ? JSON.stringify(json) : undefined,
      ...request,
      headers: {
        accept: 'application/json',
        authorization: `Bearer ${apiKey}`,
        ...(isJson ? { 'content-type': 'application/json' } : {}),
        ...request.headers,
      },
      url: `${baseUrl}${path}`,
      maxBytes: MAX_JSON_BYTES,
    });
  }

  /** One call that costs nothing: the parsed JSON with its answer. @throws ApiReadError */
  async function read(path: string, call: Parameters<typeof send>[1] = {}) {
    const answer = await send(path, call).catch((error: unknown) => {
      throw error instanceof HttpFailure ? toReadError(error) : error;
    });
    const { status, url, headers } = answer;
    const unusable = (flaw: string, isTransient: boolean) => {
      const hint = 'if it stays so, check base_url and the proxy settings: evolink doctor';
      const text = `${new URL(url).host} sent an answer that ${flaw} [${status}]`;
      return new ApiReadError('network', text, { facts: { hint, httpStatus: status }, isTransient });
    };
    if (status >= 300 && status < 400) throw redirectError(answer, clean);
    const { value: json, flaw, isOverBound } = parseJsonBody(answer);
    if (flaw !== undefined && status < 300) throw unusable(flaw, isOverBound !== true);
    if (isRefusal(answer, json)) throw readRefusal(answer, json, on, { clean, nowMs: clock.now() }).error;
    return {
      json,
      stamp: {
        /** The service's clock at the time of the answer. */
        serverNowMs: parseHttpDate(headers.date ?? ''),
        requestId: readRequestId(answer, json, clean),
      },
      /** What was found in the answer. @throws ApiReadError where nothing was */
      expect<T>(found: T | undefined, otherwise: string, isTransient = true): T {
        if (found === undefined) throw unusable(otherwise, isTransient);
        return found;
      },
    };
  }
  return { secrets, clean, send, read };
}

export type ApiClient = ReturnType<typeof createApiClient>;

/** The service, one method an endpoint. Only `submit` POSTs something that costs. */
export function createApiClient(options: ServiceOptions) {
  const { secrets, clean, send, read } = openService(options);
  const { http, apiKey, clock, baseUrl } = options;
  /** `undefined` where the service has no such operation: it is not documented. */
  const readIfThere = (...call: Parameters<typeof read>) =>
    read(...call).catch((error: unknown) => {
      if (error instanceof ApiReadError && [404, 405].includes(error.facts.httpStatus ?? 0)) return undefined;
      throw error;
    });

  return {
    baseUrl,
    /** Loads what the first request needs, so that nothing lies between the record of a submission and its sending. */
    prepare: http.prepare,

    /** Sends the paid POST exactly once: own connection, no redirects, no retry. Never throws but for an abort. */
    async submit(
      body: WireBody,
      { idempotencyKey, signal }: { readonly idempotencyKey: string; readonly signal?: AbortSignal },
    ): Promise<SubmitOutcome> {
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

    /**
     * Reads one task once, without retry.
     * @throws EvolinkError `auth` (401, 403), `task-failed` (404), `network` (everything that may pass by itself;
     * `retryAfterMs` is on the `ApiReadError`), `usage` (400).
     */
    async getTask(taskId: string, signal?: AbortSignal): Promise<TaskSnapshot> {
      checkTaskId(taskId);
      const { json, stamp, expect } = await read(`/v1/tasks/${taskId}`, { signal }).catch(
        (error: unknown) => {
          if (!(error instanceof ApiReadError && error.isUnknownTask)) throw error;
          // Names the account, as the task may be that of another one. What it means is for the caller to say.
          const { httpStatus, serviceCode } = error.facts;
          const text = `the service does not know task ${taskId} in the account of the key ${maskSecret(apiKey)}`;
          throw new ApiReadError('task-failed', `${text} [${httpStatus} ${serviceCode}]`, error);
        },
      );
      const task = expect(readTask(json, clean, taskId), 'holds no readable task');
      expect(task.id === taskId || undefined, 'is about another task');
      return { ...task, ...stamp };
    },

    /** `undefined` where the service has no list (404, 405). */
    async listTasks(
      {
        model,
        page,
        pageSize,
      }: { readonly model?: string; readonly page: number; readonly pageSize: number },
      signal?: AbortSignal,
    ): Promise<(Pick<TaskSnapshot, 'serverNowMs'> & { readonly tasks: readonly ListedTask[] }) | undefined> {
      const query = new URLSearchParams({
        page: `${page}`,
        page_size: `${pageSize}`,
        ...(model && { model }),
      });
      const answer = await readIfThere(`/v1/tasks?${query}`, { signal });
      const tasks = answer?.expect(readTasks(answer.json, clean), 'holds no list of tasks');
      return tasks && { ...answer?.stamp, tasks };
    },

    /** At most 50. `undefined` where the service has no batch read (404, 405). Unknown ids are missing from the answer. */
    async getTasks(
      taskIds: readonly string[],
      signal?: AbortSignal,
    ): Promise<readonly TaskSnapshot[] | undefined> {
      for (const id of taskIds) checkTaskId(id);
      const answer = await readIfThere('/v1/tasks/batch', { json: { task_ids: taskIds }, signal });
      const tasks = answer?.expect(readTasks(answer.json, clean), 'holds no list of tasks');
      return tasks?.filter(({ id }) => taskIds.includes(id)).map((task) => ({ ...task, ...answer?.stamp }));
    },

    async getCredits(signal?: AbortSignal): Promise<Credits> {
      const { json, expect } = await read('/v1/credits', { signal });
      return expect(readCredits(json), 'names no credits');
    },
  };
}

function checkTaskId(taskId: string): void {
  if (isTaskId(taskId)) return;
  throw new EvolinkError('usage', `not a task id: ${JSON.stringify(String(taskId).slice(0, 80))}`, {
    hint: 'task ids look like task-unified-1774857405-abc123; list the known ones: evolink status',
  });
}
