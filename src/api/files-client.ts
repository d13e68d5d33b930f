import { createHash } from 'node:crypto';
import { isLoopbackHost } from '../platform/address-class.ts';
import type { Clock } from '../platform/clock.ts';
import { createSecrets } from '../platform/secrets.ts';
import { checkBaseUrl, checkKey } from './check-access.ts';
import { createCleanText } from './clean-text.ts';
import type { FilesClient, UploadSource } from './files-types.ts';
import { HttpFailure } from './http-failure.ts';
import type { Http, HttpAnswer, HttpRequest } from './http-types.ts';
import { MAX_JSON_BYTES } from './json-body.ts';
import { fieldOf } from './json-value.ts';
import { toMultipart } from './multipart.ts';
import { readJsonAnswer, toReadError, unusableError } from './read-answer.ts';
import { ApiReadError } from './read-error.ts';
import { type FileReading, readFilePage, readFileQuota, readStoredFile } from './read-files.ts';

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
