import { STATUS_CODES } from 'node:http';
import { documentedError } from '../api-problem.ts';
import type { Fault } from './fault-types.ts';

export interface FaultBody {
  readonly contentType: string;
  readonly body: string;
}

const JSON_TYPE = 'application/json; charset=utf-8';
const HTML_TYPE = 'text/html; charset=utf-8';

/** The error body of a status fault in the form that was asked for. */
export function faultBody(fault: Fault, status: number): FaultBody {
  const documented = documentedError(status);
  const code = fault.options.code ?? documented.code;
  const message = fault.options.message ?? documented.message;
  const form = fault.options.form ?? defaultForm(fault, status);
  const nested = (shownCode: unknown): FaultBody =>
    json({ error: { code: shownCode, message, type: documented.type } });
  switch (form) {
    case 'upper':
      return nested(code.toUpperCase());
    case 'number':
      return nested(status);
    case 'flat':
      return json({ error: code, error_description: message });
    case 'files':
      return json({ success: false, code: status, msg: message });
    case 'text':
      return { contentType: 'text/plain; charset=utf-8', body: message };
    case 'html':
      return gatewayPage(status);
    case 'xml':
      return xmlError(fault.options.code ?? 'AccessDenied', message);
    default:
      return nested(code);
  }
}

function defaultForm(fault: Fault, status: number): string {
  if (fault.point === 'link') return 'xml';
  if (status === 502 || status === 504) return 'html';
  return fault.point === 'upload' || fault.point === 'files' ? 'files' : 'json';
}

function json(value: unknown): FaultBody {
  return { contentType: JSON_TYPE, body: JSON.stringify(value) };
}

/** The page of a gateway that stands before the service. */
export function gatewayPage(status: number): FaultBody {
  const title = `${status} ${STATUS_CODES[status] ?? 'Error'}`;
  const body = `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`;
  return { contentType: HTML_TYPE, body };
}

/** The error document of an object store. */
export function xmlError(code: string, message: string): FaultBody {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>\n`;
  return { contentType: 'application/xml', body };
}

/** Headers of a status fault: `Retry-After`, `Location`. */
export function faultHeaders(fault: Fault, nowMs: number): Record<string, string> {
  const headers: Record<string, string> = {};
  const { 'retry-after': seconds, 'retry-after-date': ahead, to } = fault.options;
  if (seconds !== undefined) headers['retry-after'] = seconds;
  if (ahead !== undefined) headers['retry-after'] = new Date(nowMs + Number(ahead) * 1000).toUTCString();
  if (to !== undefined) headers.location = to;
  return headers;
}
