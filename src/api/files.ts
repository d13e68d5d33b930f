import { createHash } from 'node:crypto';
import type * as z from 'zod/mini';
import { isLoopbackHost, isLoopbackUrl } from '../platform/address-class.ts';
import { all, parseUrl } from '../platform/text.ts';
import type { CleanText } from './answers.ts';
import { openService, type ServiceOptions } from './client.ts';
import { ApiReadError } from './errors.ts';
import { ANY, fields, listOf, NUMBER, TEXT, TIME_MS } from './json.ts';

/** More than any page has is a fault. */
const MAX_LISTED = 1_000;
const MAX_URL_CHARACTERS = 4_096;

const STORED_FILE = fields({
  ...all(TEXT, 'file_id', 'file_url', 'download_url', 'original_name', 'file_name', 'mime_type'),
  ...all(TIME_MS, 'upload_time', 'expires_at'),
  file_size: NUMBER,
});
const ENVELOPE = fields({ data: ANY });
const LIST = listOf(MAX_LISTED);
const FILE_PAGE = fields({ ...all(LIST, 'files', 'list', 'items'), total: NUMBER });
const QUOTA = fields(all(NUMBER, 'used_files', 'max_files', 'remain_files'));

/** A file that the service holds for some time. */
export type StoredFile = Partial<ReadFile> & Pick<ReadFile, 'fileUrl'>;
type ReadFile = NonNullable<ReturnType<typeof readStoredFile>>;

/** How many files the account may hold. */
export type FileQuota = NonNullable<z.infer<typeof QUOTA>>;

/** Reads `data` of an upload, or an entry of a list. `undefined` without a usable URL. Never throws. */
function readStoredFile(value: unknown, clean: CleanText, allowLoopback: boolean) {
  const file = STORED_FILE.parse(value);
  const fileUrl = file?.file_url ?? file?.download_url;
  if (file === undefined || fileUrl === undefined || !isFileUrl(fileUrl, allowLoopback)) return undefined;
  const short = (text: string | undefined) => text && clean(text, { maxLength: 200 });
  return {
    /** What goes into a request. */
    fileUrl,
    /** Absent where the service names none: then the file can't be deleted. */
    fileId: short(file.file_id),
    fileName: short(file.original_name ?? file.file_name),
    sizeBytes: file.file_size,
    mimeType: short(file.mime_type),
    uploadedAtMs: file.upload_time,
    expiresAtMs: file.expires_at,
  };
}

/** https, or loopback where the files API itself is there; no user name. */
function isFileUrl(text: string, allowLoopback: boolean): boolean {
  if (text.length > MAX_URL_CHARACTERS || !/^https?:\/\/[^/\\]/i.test(text)) return false;
  const url = parseUrl(text);
  if (url === undefined) return false;
  const { protocol, hostname, username, password } = url;
  if (username !== '' || password !== '') return false;
  return isLoopbackHost(hostname) ? allowLoopback : protocol === 'https:';
}

/** The files API, one method an endpoint, each called once without retry. Nothing here costs anything. */
export type FilesClient = ReturnType<typeof createFilesClient>;

export function createFilesClient(options: ServiceOptions) {
  const { clean, read } = openService(options, 'file');
  const { baseUrl, apiKey } = options;
  const allowLoopback = isLoopbackUrl(baseUrl);
  const toFile = (value: unknown) => readStoredFile(value, clean, allowLoopback);
  const call = async (path: string, request: Parameters<typeof read>[1]) => {
    const { json, expect } = await read(`/api/v1/files${path}`, request);
    return { data: ENVELOPE.parse(json)?.data, expect };
  };

  return {
    baseUrl,
    /** Names this service and this key without showing the key: uploads of other accounts are of no use. */
    get accountId(): string {
      return createHash('sha256').update(`${baseUrl}\n${apiKey}`).digest('hex').slice(0, 24);
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
      const { data, expect } = await call('/upload/stream', request);
      return expect(toFile(data), 'names no address of the uploaded file', false);
    },

    /** One page, whose list may be `data` itself or lie in it. @throws ApiReadError */
    async list(query: { readonly page: number; readonly pageSize: number }, signal?: AbortSignal) {
      const path = `/list?page=${query.page}&pageSize=${query.pageSize}`;
      const { data, expect } = await call(path, { signal });
      const page = FILE_PAGE.parse(data);
      const found = LIST.parse(data) ?? page?.files ?? page?.list ?? page?.items;
      const files = expect(found, 'holds no list of files').map(toFile);
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
    quota: async (signal?: AbortSignal): Promise<FileQuota | undefined> =>
      QUOTA.parse((await call('/quota', { signal })).data),
  };
}
