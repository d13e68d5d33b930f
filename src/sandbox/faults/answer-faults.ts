import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, sendAnswer, textAnswer } from '../answer.ts';
import { isRecord } from '../read-json-body.ts';
import type { ServerClock } from '../server-clock.ts';
import { breakConnection, drain, sendCut } from './break-connection.ts';
import { faultBody, faultHeaders, gatewayPage } from './fault-body.ts';
import type { Fault } from './fault-types.ts';
import { deepJson, sendHugeJson } from './monster-json.ts';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly clock: ServerClock;
}

/** Kinds that let the request take effect first, unless told `before`. */
const LATE_KINDS = ['html', 'empty', 'cut', 'no-id', 'huge', 'deep'];

/** Says whether a fault strikes before the request takes effect. */
export function isEarly(fault: Fault): boolean {
  if ('before' in fault.options) return true;
  return !('after' in fault.options) && !LATE_KINDS.includes(fault.kind);
}

/** Answers (or does not) as the fault says, in place of the endpoint. */
export async function strikeEarly(fault: Fault, exchange: Exchange): Promise<void> {
  if (fault.kind === 'reset' && !('read' in fault.options)) {
    return breakConnection(exchange.response, 'fin' in fault.options);
  }
  await drain(exchange.request);
  await strikeLate(fault, exchange, textAnswer(200, 'application/json', '{}'));
}

/** Spoils an answer that the endpoint has already made. */
export async function strikeLate(fault: Fault, exchange: Exchange, answer: Answer): Promise<void> {
  const { response, clock } = exchange;
  switch (fault.kind) {
    case 'reset':
      return breakConnection(response, 'fin' in fault.options);
    case 'hang':
      return;
    case 'status':
      return sendAnswer(response, statusAnswer(fault, clock.now()));
    case 'html':
      return sendAnswer(response, pageAnswer());
    case 'empty':
      return sendAnswer(response, { ...answer, status: 200, body: '' });
    case 'no-id':
      return sendAnswer(response, withoutId(answer));
    case 'huge':
      return sendHugeJson(response, idOf(answer), fault.amount ?? 50);
    case 'deep':
      return sendAnswer(response, { ...answer, body: deepJson(idOf(answer), fault.amount ?? 10_000) });
    case 'cut':
      return cutAnswer(fault, response, answer);
    default:
      return sendAnswer(response, answer);
  }
}

function statusAnswer(fault: Fault, nowMs: number): Answer {
  const status = fault.status ?? 500;
  const { contentType, body } = faultBody(fault, status);
  const headers = { 'content-type': contentType, ...faultHeaders(fault, nowMs) };
  return { status: 'http200' in fault.options ? 200 : status, headers, body };
}

function pageAnswer(): Answer {
  const { contentType, body } = gatewayPage(200);
  return textAnswer(200, contentType, body);
}

async function cutAnswer(fault: Fault, response: ServerResponse, answer: Answer): Promise<void> {
  const bytes = Buffer.from(answer.body);
  const kept = bytes.subarray(0, fault.amount ?? afterId(bytes, idOf(answer)));
  if ('whole' in fault.options) return sendAnswer(response, { ...answer, body: kept.toString() });
  response.writeHead(answer.status, { ...answer.headers, 'content-length': bytes.length });
  await sendCut(response, kept, !('rst' in fault.options));
}

/** The place right behind the id and its closing quote; the middle of a body without one. */
function afterId(bytes: Buffer, id: string): number {
  const start = id === '' ? -1 : bytes.indexOf(`${id}"`);
  return start < 0 ? Math.floor(bytes.length / 2) : start + id.length + 1;
}

function idOf(answer: Answer): string {
  return isRecord(answer.json) && typeof answer.json.id === 'string' ? answer.json.id : '';
}

function withoutId(answer: Answer): Answer {
  if (!isRecord(answer.json)) return answer;
  const { id: _, ...rest } = answer.json;
  return { ...answer, body: JSON.stringify(rest), json: rest };
}
