import { parseHttpDate } from '../platform/retry-after.ts';
import type { CleanText } from './clean-text.ts';
import type { FilePage, FileQuota, StoredFile } from './files-types.ts';
import { fieldOf, isRecord, toNumber, toText, toTimeMs } from './json-value.ts';

export interface FileReading {
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
export function readStoredFile(value: unknown, reading: FileReading): StoredFile | undefined {
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
export function readFilePage(value: unknown, reading: FileReading): FilePage | undefined {
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
export function readFileQuota(value: unknown, clean: CleanText): FileQuota | undefined {
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
