import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename, extname } from 'node:path';
import busboy from 'busboy';
import { EvolinkError } from '../errors.ts';
import type { SandboxContext } from './context.ts';
import type { FaultPoint } from './fault-table.ts';
import {
  type Answer,
  ApiProblem,
  authenticate,
  isRecord,
  jsonAnswer,
  readJsonBody,
  sendAnswer,
  toErrorBody,
} from './http.ts';
import { roundCredits } from './service.ts';
import { drain, isEarly, strikeEarly, strikeLate } from './strike-faults.ts';
import { submitEndpoint } from './submit.ts';
import { lifeAt, sumCredits, type TaskObject, toListedTask, toTaskObject } from './task-object.ts';
import type { Upload, UploadBook } from './uploads.ts';

const MAX_FILE_BYTES = 100_000_000;
const MAX_FILES = 500;
const DEFAULT_PATH = 'uploads';
const MIME_TYPES: Readonly<Record<string, string>> = {
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.mp4': 'video/mp4',
  '.mov': 'video/quicktime',
  '.wav': 'audio/wav',
  '.mp3': 'audio/mpeg',
};

type Received = Awaited<ReturnType<UploadBook['receive']>>;

interface ReceivedForm {
  readonly fields: ReadonlyMap<string, string>;
  readonly file?: {
    readonly received: Received;
    readonly name: string;
    readonly mimeType: string;
    readonly isTooBig: boolean;
  };
}

/** `POST /api/v1/files/upload/stream`: multipart `file`, optional `upload_path`, `file_name`. */
async function uploadEndpoint(request: IncomingMessage, context: SandboxContext): Promise<Answer> {
  if (!/^multipart\/form-data;.*boundary=/i.test(request.headers['content-type'] ?? '')) {
    return filesAnswer(400, 'Content-Type must be multipart/form-data');
  }
  if (context.uploads.all().length >= MAX_FILES) return filesAnswer(403, 'File quota exceeded');
  const form = await receiveForm(request, context.uploads).catch(() => undefined);
  if (form === undefined) return filesAnswer(400, 'The multipart body is broken');
  const { file, fields } = form;
  if (file === undefined) return filesAnswer(400, 'The field "file" is missing');
  const refusal = refusalOf(file);
  if (refusal !== undefined) {
    await context.uploads.discard(file.received.filePath);
    return refusal;
  }
  const fileName =
    basename(fields.get('file_name') ?? '') || `${file.received.id}${extname(file.name).toLowerCase()}`;
  const uploadPath = fields.get('upload_path') || DEFAULT_PATH;
  const mimeType = toMimeType(file.name, file.mimeType);
  const upload = await context.uploads.add(file.received, {
    fileName,
    originalName: file.name,
    uploadPath,
    mimeType,
  });
  return filesAnswer(200, 'File uploaded successfully', toFileObject(upload, context.linkUrl()));
}

function refusalOf(file: NonNullable<ReceivedForm['file']>): Answer | undefined {
  if (file.isTooBig) return filesAnswer(413, 'File size exceeds the limit of 100 MB');
  if (file.received.sizeBytes === 0) return filesAnswer(400, 'File is empty');
  const mimeType = toMimeType(file.name, file.mimeType);
  return Object.values(MIME_TYPES).includes(mimeType)
    ? undefined
    : filesAnswer(400, `Unsupported file type: ${mimeType}`);
}

/** A part that names no type is judged by its name. */
function toMimeType(name: string, given: string): string {
  const isVague = given === '' || given === 'application/octet-stream' || given === 'text/plain';
  return (isVague ? MIME_TYPES[extname(name).toLowerCase()] : given) ?? given;
}

function receiveForm(request: IncomingMessage, uploads: UploadBook): Promise<ReceivedForm> {
  return new Promise((resolve, reject) => {
    const fields = new Map<string, string>();
    let file: Promise<ReceivedForm['file']> | undefined;
    const parser = busboy({
      headers: request.headers,
      limits: { files: 1, fileSize: MAX_FILE_BYTES },
      defParamCharset: 'utf8',
    });
    parser.on('field', (name, value) => fields.set(name, value));
    parser.on('file', (field, stream, info) => {
      if (field !== 'file') {
        stream.resume();
        return;
      }
      file = uploads.receive(stream).then((received) => ({
        received,
        name: info.filename ?? 'file',
        mimeType: info.mimeType,
        isTooBig: stream.truncated === true,
      }));
      file.catch(reject);
    });
    parser.on('error', reject);
    parser.on('close', () => {
      (file ?? Promise.resolve(undefined)).then(
        (done) => resolve({ fields, ...(done === undefined ? {} : { file: done }) }),
        reject,
      );
    });
    request.on('aborted', () => reject(new Error('the upload was cut')));
    request.pipe(parser);
  });
}

/** `GET /api/v1/files/list?page&pageSize`. */
function fileListEndpoint(query: URLSearchParams, { uploads, linkUrl }: SandboxContext): Answer {
  const page = Math.max(1, Number(query.get('page')) || 1);
  const pageSize = Math.min(100, Math.max(1, Number(query.get('pageSize')) || 20));
  const all = uploads.all();
  const files = all
    .slice((page - 1) * pageSize, page * pageSize)
    .map((upload) => toFileObject(upload, linkUrl()));
  return filesAnswer(200, 'ok', { files, total: all.length, page, pageSize });
}

/** `DELETE /api/v1/files/{file_id}`. */
async function fileDeleteEndpoint(fileId: string, { uploads }: SandboxContext): Promise<Answer> {
  const isRemoved = await uploads.remove(fileId);
  return isRemoved ? filesAnswer(200, 'File deleted successfully', {}) : filesAnswer(404, 'File not found');
}

/** `GET /api/v1/files/quota`. */
function fileQuotaEndpoint({ uploads }: SandboxContext): Answer {
  const used = uploads.all().length;
  const data = {
    user_group: 'default',
    used_files: used,
    max_files: MAX_FILES,
    remain_files: MAX_FILES - used,
  };
  return filesAnswer(200, 'ok', data);
}

/** `{success, code, msg, data?}` */
function filesAnswer(status: number, message: string, data?: unknown): Answer {
  const envelope = { success: status === 200, code: status, msg: message };
  return jsonAnswer(status, data === undefined ? envelope : { ...envelope, data });
}

function toFileObject(upload: Upload, linkUrl: string): Record<string, unknown> {
  const url = `${linkUrl}/f/${upload.id}/${encodeURIComponent(upload.fileName)}`;
  return {
    file_id: upload.id,
    file_name: upload.fileName,
    original_name: upload.originalName,
    file_size: upload.sizeBytes,
    mime_type: upload.mimeType,
    upload_path: upload.uploadPath,
    file_url: url,
    download_url: `${url}?download=1`,
    upload_time: new Date(upload.uploadedAtMs).toISOString(),
    expires_at: new Date(upload.expiresAtMs).toISOString(),
  };
}

const MAX_AT_ONCE = 50;
const ID_FORM = /^task-[A-Za-z0-9-]{1,120}$/;

/**
 * `GET /v1/tasks/{id}`.
 * @throws ApiProblem 400 `invalid_task_id`, 404 `task_not_found`
 */
async function pollEndpoint(taskId: string, context: SandboxContext): Promise<Answer> {
  if (!ID_FORM.test(taskId))
    throw new ApiProblem(400, 'invalid_task_id', `Invalid task ID: ${taskId.slice(0, 80)}`);
  const task = await context.tasks.read(taskId);
  if (task === undefined) throw new ApiProblem(404, 'task_not_found', `Task not found: ${taskId}`);
  return jsonAnswer(200, spoil(toTaskObject(task, context.clock.now(), context.linksOf), context));
}

/** The two faults that change what a reading says of a task. */
function spoil(task: TaskObject, { faults }: SandboxContext): TaskObject {
  const word = faults.takeKind('poll', 'word')?.options.word;
  if (word !== undefined) return { ...task, status: word, results: undefined };
  const isEmptied = task.status === 'completed' && faults.takeKind('poll', 'empty-results') !== undefined;
  return isEmptied ? { ...task, results: [], result_data: undefined } : task;
}

/**
 * `GET /v1/tasks?status&type&model&page&page_size`, newest first, at most 50 a page, without links.
 * @throws ApiProblem 400 for a page that is no number, 404 where this server has no list
 */
function listEndpoint(query: URLSearchParams, context: SandboxContext): Answer {
  if (!context.rules.hasTaskList) throw new ApiProblem(404, 'not_found', 'Invalid URL (GET /v1/tasks)');
  const page = wholeNumber(query, 'page', 1);
  const pageSize = Math.min(MAX_AT_ONCE, wholeNumber(query, 'page_size', 20));
  const nowMs = context.clock.now();
  const { status, type, model } = Object.fromEntries(query);
  const found = context.tasks.all().filter((task) => {
    const { status: shown } = lifeAt(task, nowMs);
    const isStatus =
      status === undefined || shown === status || (status === 'processing' && shown === 'pending');
    return (
      isStatus && (type === undefined || type === 'video') && (model === undefined || model === task.model)
    );
  });
  const data = found.slice((page - 1) * pageSize, page * pageSize).map((task) => toListedTask(task, nowMs));
  return jsonAnswer(200, { object: 'list', total: found.length, page, page_size: pageSize, data });
}

function wholeNumber(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name);
  if (text === null) return fallback;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new ApiProblem(400, 'invalid_parameter', `${name} must be a positive integer`, name);
  return Number(text);
}

/**
 * `POST /v1/tasks/batch {"task_ids": […]}`: unknown ids are missing from the answer.
 * @throws ApiProblem 400
 */
async function batchEndpoint(request: IncomingMessage, context: SandboxContext): Promise<Answer> {
  const { task_ids: ids } = await readJsonBody(request);
  if (!isTextList(ids) || ids.length === 0 || ids.length > MAX_AT_ONCE) {
    throw new ApiProblem(400, 'invalid_parameter', `task_ids must hold 1 to ${MAX_AT_ONCE} ids`, 'task_ids');
  }
  const read = await Promise.all(ids.map((id) => (ID_FORM.test(id) ? context.tasks.read(id) : undefined)));
  const known = read.filter((task) => task !== undefined);
  const data = known.map((task) => toTaskObject(task, context.clock.now(), context.linksOf));
  return jsonAnswer(200, { code: 200, data });
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

/** `GET /v1/credits`. The key has no limit of its own, so the number beside it means nothing, as at the service. */
function creditsEndpoint({ rules, tasks }: SandboxContext): Answer {
  const { used, held } = sumCredits(tasks.all());
  const user = { remaining_credits: roundCredits(rules.startingCredits - used - held), used_credits: used };
  const token = { remaining_credits: 0, used_credits: used, unlimited_credits: true };
  return jsonAnswer(200, { success: true, message: '', data: { user, token } });
}

/** `GET /__sandbox/ledger`: everything that happened, as JSON. */
function ledgerEndpoint({ ledger, faults }: SandboxContext): Answer {
  return jsonAnswer(200, {
    requests: ledger.requests(),
    charges: ledger.charges(),
    tasks: ledger.tasks(),
    callbacks: ledger.callbacks(),
    leaked_credentials: ledger.leakedCredentials(),
    pending_faults: faults.pending(),
  });
}

/**
 * `POST /__sandbox/faults {"faults": "submit:429"}`: adds faults while the server runs.
 * @throws ApiProblem 400
 */
async function addFaultsEndpoint(request: IncomingMessage, context: SandboxContext): Promise<Answer> {
  const { faults } = await readJsonBody(request);
  if (typeof faults !== 'string')
    throw new ApiProblem(400, 'invalid_parameter', 'faults must be text', 'faults');
  try {
    context.addFaults(faults);
  } catch (error) {
    if (!(error instanceof EvolinkError)) throw error;
    throw new ApiProblem(
      400,
      'invalid_parameter',
      [error.message, ...(error.facts.details ?? [])].join('; '),
      'faults',
    );
  }
  return jsonAnswer(200, { pending_faults: context.faults.pending() });
}

/**
 * `POST /__sandbox/clock {"advanceMs": 90000000}`: moves the server's time, so that tasks end and links expire.
 * @throws ApiProblem 400
 */
async function moveClockEndpoint(request: IncomingMessage, context: SandboxContext): Promise<Answer> {
  const body: unknown = await readJsonBody(request);
  const advanceMs = isRecord(body) ? body.advanceMs : undefined;
  if (typeof advanceMs !== 'number' || !Number.isFinite(advanceMs)) {
    throw new ApiProblem(400, 'invalid_parameter', 'advanceMs must be a number', 'advanceMs');
  }
  context.clock.move(advanceMs);
  context.tasks.settleDue();
  return jsonAnswer(200, { now: new Date(context.clock.now()).toISOString() });
}

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
