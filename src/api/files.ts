import { createHash, randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { isLoopbackHost } from '../platform/address-class.ts';
import { type Clock, parseHttpDate } from '../platform/clock.ts';
import { createSecrets } from '../platform/text.ts';
import { type CleanText, createCleanText } from './answers.ts';
import { checkBaseUrl, checkKey } from './client.ts';
import { ApiReadError, readJsonAnswer, toReadError, unusableError } from './errors.ts';
import { type Http, type HttpAnswer, HttpFailure, type HttpRequest } from './http-types.ts';
import { ANY, fields, MAX_JSON_BYTES, NUMBER, TEXT, TIME_MS } from './json.ts';

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

const STORED_FILE = fields({
  file_id: TEXT,
  file_url: TEXT,
  download_url: TEXT,
  original_name: TEXT,
  file_name: TEXT,
  file_size: NUMBER,
  mime_type: TEXT,
  upload_time: TIME_MS,
  expires_at: TIME_MS,
});
const ENVELOPE = fields({ data: ANY });
const LIST = z.catch(z.optional(z.array(ANY).check(z.maxLength(MAX_LISTED))), undefined);
const FILE_PAGE = fields({ files: LIST, list: LIST, items: LIST, total: NUMBER });
const QUOTA = fields({ user_group: TEXT, used_files: NUMBER, max_files: NUMBER, remain_files: NUMBER });

/** Reads `data` of an upload, or an entry of a list. `undefined` without a usable URL. Never throws. */
function readStoredFile(value: unknown, reading: FileReading): StoredFile | undefined {
  const file = STORED_FILE.parse(value);
  const url = file?.file_url ?? file?.download_url;
  if (file === undefined || url === undefined) return undefined;
  if (url.length > MAX_URL_CHARACTERS || !reading.isUsableUrl(url)) return undefined;
  const short = (text: string | undefined) => text && reading.clean(text, { maxLength: 200 });
  // The service's time on the local clock.
  const aheadMs = (parseHttpDate(reading.date ?? '') ?? reading.nowMs) - reading.nowMs;
  const local = (atMs: number | undefined) => (atMs === undefined ? undefined : atMs - aheadMs);
  return {
    fileUrl: url,
    fileId: short(file.file_id),
    fileName: short(file.original_name ?? file.file_name),
    sizeBytes: file.file_size,
    mimeType: short(file.mime_type),
    uploadedAtMs: local(file.upload_time),
    expiresAtMs: local(file.expires_at),
  };
}

/** Reads `GET /files/list`, whose list may be `data` itself or lie in it. `undefined` where there is none. */
function readFilePage(value: unknown, reading: FileReading): FilePage | undefined {
  const data = ENVELOPE.parse(value)?.data;
  const page = FILE_PAGE.parse(data);
  const list = LIST.parse(data) ?? page?.files ?? page?.list ?? page?.items;
  if (list === undefined) return undefined;
  return {
    files: list.map((entry) => readStoredFile(entry, reading)).filter((file) => file !== undefined),
    total: page?.total,
  };
}

/** Reads `GET /files/quota`. `undefined` where it tells nothing. Never throws. */
function readFileQuota(value: unknown, clean: CleanText): FileQuota | undefined {
  const quota = QUOTA.parse(ENVELOPE.parse(value)?.data);
  return (
    quota && {
      userGroup: quota.user_group && clean(quota.user_group, { maxLength: 60 }),
      usedFiles: quota.used_files,
      maxFiles: quota.max_files,
      remainingFiles: quota.remain_files,
    }
  );
}

/**
 * One file as `multipart/form-data` (RFC 7578), of known length and never whole in memory. The boundary is random: no
 * content can hold it but by a chance of one in 2^128.
 */
function toMultipart({ fileName, mimeType, sizeBytes }: UploadSource, content: AsyncIterable<Uint8Array>) {
  const boundary = `evolink-${randomBytes(16).toString('hex')}`;
  // As browsers do (HTML standard, multipart/form-data encoding algorithm).
  const name = fileName.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  const head = Buffer.from(
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${name}"\r\ncontent-type: ${mimeType}\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  async function* body(): AsyncGenerator<Uint8Array> {
    yield head;
    yield* content;
    yield tail;
  }
  return {
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(head.length + sizeBytes + tail.length),
    },
    body: body(),
  };
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
      const form = toMultipart(source, counted(source, onSent));
      const { answer, json, reading } = await call('/upload/stream', {
        method: 'POST',
        signal,
        ...form,
        // A pooled connection that the other side has just closed would cost a whole try.
        freshConnection: true,
      });
      const file = readStoredFile(ENVELOPE.parse(json)?.data, reading);
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
