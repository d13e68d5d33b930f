import { createHash, randomBytes } from 'node:crypto';
import { isLoopbackHost } from '../platform/address-class.ts';
import { type Clock, parseHttpDate } from '../platform/clock.ts';
import { createSecrets } from '../platform/text.ts';
import { type CleanText, createCleanText } from './answers.ts';
import { checkBaseUrl, checkKey } from './client.ts';
import { ApiReadError, readJsonAnswer, toReadError, unusableError } from './errors.ts';
import {
  fieldOf,
  type Http,
  type HttpAnswer,
  HttpFailure,
  type HttpRequest,
  isRecord,
  MAX_JSON_BYTES,
  toNumber,
  toText,
  toTimeMs,
} from './http-types.ts';

/** A local file on its way to the service. */
interface UploadSource {
  /** As the service is to know it; ASCII, with the extension of its type. */
  readonly fileName: string;
  readonly mimeType: string;
  readonly sizeBytes: number;
  /** Opens the content anew; each try reads it from the start. */
  readonly open: () => AsyncIterable<Uint8Array>;
}

/** A file that the service holds for some time. */
export interface StoredFile {
  /** Absent where the service names none: then the file can't be deleted. */
  readonly fileId?: string | undefined;
  readonly fileName?: string | undefined;
  /** What goes into a request. */
  readonly fileUrl: string;
  readonly sizeBytes?: number | undefined;
  readonly mimeType?: string | undefined;
  readonly uploadedAtMs?: number | undefined;
  /** By the local clock: a clock that goes wrong here does not matter. Absent where the service does not tell. */
  readonly expiresAtMs?: number | undefined;
}

interface FilePage {
  readonly files: readonly StoredFile[];
  readonly total?: number | undefined;
}

/** How many files the account may hold. */
export interface FileQuota {
  readonly userGroup?: string | undefined;
  readonly usedFiles?: number | undefined;
  readonly maxFiles?: number | undefined;
  readonly remainingFiles?: number | undefined;
}

/** The files API, one method an endpoint, each called once without retry. Nothing here costs anything. */
export interface FilesClient {
  readonly baseUrl: string;
  /** Names this service and this key without showing the key: uploads of other accounts are of no use. */
  readonly accountId: string;
  /**
   * Streams a file to the service.
   * @param options.onSent told how many bytes of the file have been handed to the connection
   * @throws ApiReadError: `isTransient` where another try may succeed
   */
  upload(
    source: UploadSource,
    options?: { readonly onSent?: (sentBytes: number) => void; readonly signal?: AbortSignal },
  ): Promise<StoredFile>;
  /** @throws ApiReadError */
  list(query: { readonly page: number; readonly pageSize: number }, signal?: AbortSignal): Promise<FilePage>;
  /** False where the service does not know the file (any more). @throws ApiReadError */
  remove(fileId: string, signal?: AbortSignal): Promise<boolean>;
  /** Undefined where the service does not tell. @throws ApiReadError */
  quota(signal?: AbortSignal): Promise<FileQuota | undefined>;
}

interface FileReading {
  readonly clean: CleanText;
  /** Local wall time at the answer, and what its `Date` header said. */
  readonly nowMs: number;
  readonly date: string | undefined;
  /** Whether a URL may go into a request. */
  readonly isUsableUrl: (url: string) => boolean;
}

/** More than any page has is a fault. */
const MAX_LISTED = 1_000;
const MAX_URL_CHARACTERS = 4_096;

/** Reads `data` of an upload, or an entry of a list. `undefined` without a usable URL. Never throws. */
function readStoredFile(value: unknown, reading: FileReading): StoredFile | undefined {
  const url = toText(fieldOf(value, 'file_url')) ?? toText(fieldOf(value, 'download_url'));
  if (url === undefined || url.length > MAX_URL_CHARACTERS || !reading.isUsableUrl(url)) return undefined;
  const text = (name: string, maxLength: number) => {
    const found = toText(fieldOf(value, name));
    return found && reading.clean(found, { maxLength });
  };
  return {
    fileUrl: url,
    fileId: text('file_id', 200),
    fileName: text('original_name', 200) ?? text('file_name', 200),
    sizeBytes: toNumber(fieldOf(value, 'file_size')),
    mimeType: text('mime_type', 100),
    uploadedAtMs: toLocalTime(fieldOf(value, 'upload_time'), reading),
    expiresAtMs: toLocalTime(fieldOf(value, 'expires_at'), reading),
  };
}

/** The service's time on the local clock; a time without a zone is taken as UTC, as that is what servers run on. */
function toLocalTime(value: unknown, { nowMs, date }: FileReading): number | undefined {
  const isBare =
    typeof value === 'string' && /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?$/.test(value);
  const atMs = toTimeMs(isBare ? `${value.replace(' ', 'T')}Z` : value);
  const serverNowMs = parseHttpDate(date ?? '');
  if (atMs === undefined || serverNowMs === undefined) return atMs;
  return atMs + nowMs - serverNowMs;
}

/** Reads `GET /files/list`, whose list may be `data` itself or lie in it. `undefined` where there is none. */
function readFilePage(value: unknown, reading: FileReading): FilePage | undefined {
  const data = fieldOf(value, 'data');
  const list = [data, fieldOf(data, 'files'), fieldOf(data, 'list'), fieldOf(data, 'items')].find(
    Array.isArray,
  );
  if (!Array.isArray(list) || list.length > MAX_LISTED) return undefined;
  return {
    files: list.map((entry: unknown) => readStoredFile(entry, reading)).filter((file) => file !== undefined),
    total: toNumber(fieldOf(data, 'total')),
  };
}

/** Reads `GET /files/quota`. `undefined` where it tells nothing. Never throws. */
function readFileQuota(value: unknown, clean: CleanText): FileQuota | undefined {
  const data = fieldOf(value, 'data');
  if (!isRecord(data)) return undefined;
  const group = toText(fieldOf(data, 'user_group'));
  return {
    userGroup: group && clean(group, { maxLength: 60 }),
    usedFiles: toNumber(fieldOf(data, 'used_files')),
    maxFiles: toNumber(fieldOf(data, 'max_files')),
    remainingFiles: toNumber(fieldOf(data, 'remain_files')),
  };
}

interface FilePart {
  readonly fieldName: string;
  readonly fileName: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly content: AsyncIterable<Uint8Array>;
}

interface MultipartBody {
  readonly contentType: string;
  readonly lengthBytes: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * One file and some text fields as `multipart/form-data` (RFC 7578), of known length and never whole in memory. The
 * boundary is random: no content can hold it but by a chance of one in 2^128.
 */
function toMultipart(file: FilePart, fields: Readonly<Record<string, string>> = {}): MultipartBody {
  const boundary = `evolink-${randomBytes(16).toString('hex')}`;
  const texts = Object.entries(fields).map(
    ([name, value]) =>
      `--${boundary}\r\ncontent-disposition: form-data; name="${escapeName(name)}"\r\n\r\n${value}\r\n`,
  );
  const disposition = `form-data; name="${escapeName(file.fieldName)}"; filename="${escapeName(file.fileName)}"`;
  const head = Buffer.from(
    `${texts.join('')}--${boundary}\r\ncontent-disposition: ${disposition}\r\ncontent-type: ${file.contentType}\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    lengthBytes: head.length + file.sizeBytes + tail.length,
    body: concat(head, file.content, tail),
  };
}

async function* concat(
  head: Uint8Array,
  content: AsyncIterable<Uint8Array>,
  tail: Uint8Array,
): AsyncGenerator<Uint8Array> {
  yield head;
  yield* content;
  yield tail;
}

/** As browsers do (HTML standard, multipart/form-data encoding algorithm). */
function escapeName(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

export interface FilesClientOptions {
  readonly http: Http;
  /** `https://files-api.evolink.ai`. */
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly clock: Clock;
}

/** A refusal that another file, or another day, may not meet: in words of files, not of tasks. */
const FILE_TEXTS: Readonly<Record<number, string>> = {
  404: 'the service has no such file or operation at this address',
  413: 'the file is too large for the upload',
};

/**
 * The client of the files API. The key lives in this closure alone, as in the client of tasks.
 * @throws EvolinkError `auth` for a key that can't stand in a header, `usage` for an address that is not https (or loopback)
 */
export function createFilesClient({ http, baseUrl, apiKey, clock }: FilesClientOptions): FilesClient {
  const base = checkBaseUrl(baseUrl);
  checkKey(apiKey);
  const secrets = createSecrets();
  secrets.add(apiKey);
  const clean = createCleanText(secrets);
  const allowLoopback = isLoopbackHost(new URL(base).hostname);

  async function call(
    path: string,
    request: Pick<HttpRequest, 'method' | 'signal' | 'body' | 'freshConnection'> & { headers?: object },
  ): Promise<{ answer: HttpAnswer; json: unknown; reading: FileReading }> {
    const { headers, ...rest } = request;
    const answer = await http
      .request({
        ...rest,
        url: `${base}/api/v1/files${path}`,
        headers: { accept: 'application/json', authorization: `Bearer ${apiKey}`, ...headers },
        maxBytes: MAX_JSON_BYTES,
      })
      .catch((error: unknown) => {
        throw error instanceof HttpFailure ? toReadError(error) : error;
      });
    const nowMs = clock.now();
    const json = inWordsOfFiles(() => readJsonAnswer(answer, { clean, nowMs }));
    const isUsableUrl = (url: string) => isFileUrl(url, allowLoopback);
    return { answer, json, reading: { clean, nowMs, date: answer.headers.date, isUsableUrl } };
  }

  return {
    baseUrl: base,
    accountId: createHash('sha256').update(`${base}\n${apiKey}`).digest('hex').slice(0, 24),

    async upload(source, { onSent, signal } = {}) {
      const form = toMultipart({
        ...source,
        fieldName: 'file',
        contentType: source.mimeType,
        content: counted(source, onSent),
      });
      const { answer, json, reading } = await call('/upload/stream', {
        method: 'POST',
        signal,
        body: form.body,
        // A pooled connection that the other side has just closed would cost a whole try.
        freshConnection: true,
        headers: { 'content-type': form.contentType, 'content-length': String(form.lengthBytes) },
      });
      const file = readStoredFile(fieldOf(json, 'data'), reading);
      if (file === undefined) throw unusableError(answer, 'names no address of the uploaded file', false);
      return file;
    },

    async list({ page, pageSize }, signal) {
      const { answer, json, reading } = await call(`/list?page=${page}&pageSize=${pageSize}`, {
        method: 'GET',
        signal,
      });
      const files = readFilePage(json, reading);
      if (files === undefined) throw unusableError(answer, 'holds no list of files', true);
      return files;
    },

    async remove(fileId, signal) {
      try {
        await call(`/${encodeURIComponent(fileId)}`, { method: 'DELETE', signal });
        return true;
      } catch (error) {
        if (error instanceof ApiReadError && error.facts.httpStatus === 404) return false;
        throw error;
      }
    },

    async quota(signal) {
      const { json } = await call('/quota', { method: 'GET', signal });
      return readFileQuota(json, clean);
    },
  };
}

async function* counted(
  source: UploadSource,
  onSent: ((sentBytes: number) => void) | undefined,
): AsyncGenerator<Uint8Array> {
  let sentBytes = 0;
  for await (const chunk of source.open()) {
    yield chunk;
    sentBytes += chunk.length;
    onSent?.(sentBytes);
  }
}

/** https, or loopback where the files API itself is there; no user name. */
function isFileUrl(text: string, allowLoopback: boolean): boolean {
  if (!/^https?:\/\/[^/\\]/i.test(text) || !URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  return allowLoopback && isLoopbackHost(hostname)
    ? true
    : protocol === 'https:' && !isLoopbackHost(hostname);
}

function inWordsOfFiles<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const text = error instanceof ApiReadError ? FILE_TEXTS[error.facts.httpStatus ?? 0] : undefined;
    if (!(error instanceof ApiReadError) || text === undefined) throw error;
    const said = /: (.+)$/.exec(error.message)?.[1] ?? `[${error.facts.httpStatus}]`;
    throw new ApiReadError('usage', `${text}: ${said}`, {
      facts: { ...error.facts, hint: 'check files_url: evolink config' },
      isTransient: false,
    });
  }
}
