import { createHash } from 'node:crypto';
import { isLoopbackHost } from '../platform/address-class.ts';
import type { CleanText } from './answers.ts';
import { openService, type ServiceOptions } from './client.ts';
import { ApiReadError } from './errors.ts';
import { ANY, fields, listOf, NUMBER, TEXT, TIME_MS } from './json.ts';

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
const LIST = listOf(MAX_LISTED);
const FILE_PAGE = fields({ files: LIST, list: LIST, items: LIST, total: NUMBER });
const QUOTA = fields({ user_group: TEXT, used_files: NUMBER, max_files: NUMBER, remain_files: NUMBER });

/** A file that the service holds for some time. */
export type StoredFile = Partial<ReadFile> & Pick<ReadFile, 'fileUrl'>;
type ReadFile = NonNullable<ReturnType<typeof readStoredFile>>;

/** How many files the account may hold. */
export type FileQuota = NonNullable<ReturnType<typeof readFileQuota>>;

interface FileReading {
  readonly clean: CleanText;
  /** Local wall time at the answer, and what the service's clock said. */
  readonly nowMs: number;
  readonly serverNowMs: number | undefined;
  readonly allowLoopback: boolean;
}

/** Reads `data` of an upload, or an entry of a list. `undefined` without a usable URL. Never throws. */
function readStoredFile(value: unknown, { clean, nowMs, serverNowMs, allowLoopback }: FileReading) {
  const file = STORED_FILE.parse(value);
  const fileUrl = file?.file_url ?? file?.download_url;
  if (file === undefined || fileUrl === undefined || !isFileUrl(fileUrl, allowLoopback)) return undefined;
  const short = (text: string | undefined) => text && clean(text, { maxLength: 200 });
  // The service's time on the local clock: a clock that goes wrong here does not matter.
  const aheadMs = (serverNowMs ?? nowMs) - nowMs;
  const local = (atMs: number | undefined) => (atMs === undefined ? undefined : atMs - aheadMs);
  return {
    /** What goes into a request. */
    fileUrl,
    /** Absent where the service names none: then the file can't be deleted. */
    fileId: short(file.file_id),
    fileName: short(file.original_name ?? file.file_name),
    sizeBytes: file.file_size,
    mimeType: short(file.mime_type),
    uploadedAtMs: local(file.upload_time),
    expiresAtMs: local(file.expires_at),
  };
}

/** Reads `GET /files/quota`. `undefined` where it tells nothing. Never throws. */
function readFileQuota(value: unknown) {
  const quota = QUOTA.parse(ENVELOPE.parse(value)?.data);
  return (
    quota && {
      usedFiles: quota.used_files,
      maxFiles: quota.max_files,
      remainingFiles: quota.remain_files,
    }
  );
}

/** https, or loopback where the files API itself is there; no user name. */
function isFileUrl(text: string, allowLoopback: boolean): boolean {
  if (text.length > MAX_URL_CHARACTERS || !/^https?:\/\/[^/\\]/i.test(text) || !URL.canParse(text))
    return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  return isLoopbackHost(hostname) ? allowLoopback : protocol === 'https:';
}

/** The files API, one method an endpoint, each called once without retry. Nothing here costs anything. */
export type FilesClient = ReturnType<typeof createFilesClient>;

/** The client of the files API. @throws EvolinkError as `openService` */
export function createFilesClient(options: ServiceOptions) {
  const { base, clean, read } = openService(options, 'file');
  const allowLoopback = isLoopbackHost(new URL(base).hostname);
  const call = async (path: string, request: Parameters<typeof read>[1]) => {
    const answer = await read(`/api/v1/files${path}`, request);
    const { nowMs, serverNowMs } = answer;
    return { ...answer, reading: { clean, nowMs, serverNowMs, allowLoopback } };
  };

  return {
    baseUrl: base,
    /** Names this service and this key without showing the key: uploads of other accounts are of no use. */
    get accountId(): string {
      return createHash('sha256').update(`${base}\n${options.apiKey}`).digest('hex').slice(0, 24);
    },

    /**
     * Streams a file to the service.
     * @param onSent told how many bytes have been handed to the connection
     * @throws ApiReadError: `isTransient` where another try may succeed
     */
    async upload(
      file: { readonly name: string; readonly content: Blob },
      { onSent, signal }: { onSent?: (sentBytes: number) => void; signal?: AbortSignal | undefined } = {},
    ): Promise<StoredFile> {
      const body = new FormData();
      body.set('file', file.content, file.name);
      // A pooled connection that the other side has just closed would cost a whole try.
      const request = { method: 'POST', body, onSent, signal, freshConnection: true } as const;
      const { json, reading, expect } = await call('/upload/stream', request);
      const stored = readStoredFile(ENVELOPE.parse(json)?.data, reading);
      return expect(stored, 'names no address of the uploaded file', false);
    },

    /** One page, whose list may be `data` itself or lie in it. @throws ApiReadError */
    async list(query: { readonly page: number; readonly pageSize: number }, signal?: AbortSignal) {
      const path = `/list?page=${query.page}&pageSize=${query.pageSize}`;
      const { json, reading, expect } = await call(path, { signal });
      const data = ENVELOPE.parse(json)?.data;
      const page = FILE_PAGE.parse(data);
      const found = LIST.parse(data) ?? page?.files ?? page?.list ?? page?.items;
      const files = expect(found, 'holds no list of files').map((entry) => readStoredFile(entry, reading));
      return { files: files.filter((file) => file !== undefined), total: page?.total };
    },

    /** False where the service does not know the file (any more). @throws ApiReadError */
    async remove(fileId: string, signal?: AbortSignal): Promise<boolean> {
      try {
        await call(`/${encodeURIComponent(fileId)}`, { method: 'DELETE', signal });
        return true;
      } catch (error) {
        if (error instanceof ApiReadError && error.facts.httpStatus === 404) return false;
        throw error;
      }
    },

    /** Undefined where the service does not tell. @throws ApiReadError */
    async quota(signal?: AbortSignal): Promise<FileQuota | undefined> {
      return readFileQuota((await call('/quota', { method: 'GET', signal })).json);
    },
  };
}
