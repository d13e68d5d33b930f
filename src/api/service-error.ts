import type { CleanText } from './clean-text.ts';
import type { HttpHeaders } from './http-types.ts';
import { fieldOf, isRecord, toText } from './json-value.ts';

/** What a refusal says, whatever form its body has. All texts are clean. */
export interface ServiceError {
  readonly status: number;
  /** True for the forms that the API and its file service use; false for a page or JSON of something in between. */
  readonly isFromApi: boolean;
  /** As it came: lower case, upper case; absent where the body only repeats the status. */
  readonly code?: string | undefined;
  readonly type?: string | undefined;
  readonly message?: string | undefined;
  /** The field that is at fault. */
  readonly param?: string | undefined;
  readonly requestId?: string | undefined;
}

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: HttpHeaders;
  /** The parsed body, where it is JSON. */
  readonly json?: unknown;
  readonly text: string;
}

/**
 * Reads a refusal: `{error:{code,message,type,param}}`, `{success:false,code,msg}`, `{error:"code",error_description}`, or
 * a page of something in between. Never throws.
 */
export function readServiceError(answer: ErrorAnswer, clean: CleanText): ServiceError {
  const { status, headers, json } = answer;
  const form = readErrorObject(json) ?? readFilesEnvelope(json) ?? readOauthForm(json);
  const parts = form ?? { message: toText(fieldOf(json, 'message')) ?? plainText(answer) };
  const isOwnCode = parts.code !== undefined && !/^\d+$/.test(parts.code);
  const short = (text: string | undefined) => text && clean(text, { maxLength: 120 });
  return {
    status,
    isFromApi: form !== undefined,
    code: isOwnCode ? short(parts.code) : undefined,
    type: short(parts.type),
    message: parts.message && clean(parts.message),
    param: short(parts.param),
    requestId: short(readRequestId(headers, json, parts.message)),
  };
}

/** The request id of an answer: from its headers, else from its body. */
export function readRequestId(headers: HttpHeaders, json?: unknown, message?: string): string | undefined {
  return (
    headers['x-request-id'] ??
    headers['x-oneapi-request-id'] ??
    toText(fieldOf(json, 'request_id')) ??
    toText(fieldOf(json, 'requestId')) ??
    toText(fieldOf(fieldOf(json, 'error'), 'request_id')) ??
    /\(request id: ([\w-]{1,80})\)/i.exec(message ?? '')?.[1]
  );
}

interface ErrorParts {
  readonly code?: string | undefined;
  readonly type?: string | undefined;
  readonly message?: string | undefined;
  readonly param?: string | undefined;
}

function readErrorObject(json: unknown): ErrorParts | undefined {
  const error = fieldOf(json, 'error');
  if (!isRecord(error)) return undefined;
  const code = toText(fieldOf(error, 'code'));
  const type = toText(fieldOf(error, 'type'));
  const message = toText(fieldOf(error, 'message'));
  if (code === undefined && type === undefined && message === undefined) return undefined;
  return { code, type, message, param: toText(fieldOf(error, 'param')) };
}

function readFilesEnvelope(json: unknown): ErrorParts | undefined {
  if (fieldOf(json, 'success') !== false) return undefined;
  return {
    code: toText(fieldOf(json, 'code')),
    message: toText(fieldOf(json, 'msg')) ?? toText(fieldOf(json, 'message')),
  };
}

function readOauthForm(json: unknown): ErrorParts | undefined {
  const code = fieldOf(json, 'error');
  if (typeof code !== 'string' || !/^[\w.-]{1,80}$/.test(code)) return undefined;
  return { code, message: toText(fieldOf(json, 'error_description')) ?? toText(fieldOf(json, 'message')) };
}

/** A line of plain text says something to people; of a page, only its title does. */
function plainText({ headers, text, json }: ErrorAnswer): string | undefined {
  if (json !== undefined) return undefined;
  const isPage = /html/i.test(headers['content-type'] ?? '') || /^\s*</.test(text);
  if (isPage)
    return toText(/<title[^>]*>([^<]{1,200})/i.exec(text.slice(0, 20_000))?.[1]?.replace(/\s+/g, ' '));
  return toText(text.slice(0, 2_000));
}
