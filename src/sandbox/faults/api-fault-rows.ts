import type { FaultRow } from './fault-row.ts';
import type { FaultPoint } from './fault-types.ts';

/** How the body of a status fault can look: the forms in which the service and what stands before it refuse. */
export const FAULT_FORMS = ['json', 'upper', 'number', 'flat', 'files', 'text', 'html', 'xml'] as const;

const API: readonly FaultPoint[] = ['submit', 'poll', 'list', 'batch', 'credits', 'upload', 'files'];
const AFTER = 'the request takes effect first (a submit makes a task), then the fault strikes';

/** Faults of the endpoints; some strike result links as well. */
export const API_FAULT_ROWS: readonly FaultRow[] = [
  {
    points: [...API, 'link'],
    kind: 'status',
    does: 'answers with this HTTP status; 502 and 504 as a gateway HTML page, the rest as JSON (links: XML)',
    bareOption: 'code',
    options: {
      code: 'the error code in the body',
      message: 'the error message in the body',
      'retry-after': 'Retry-After in seconds',
      'retry-after-date': 'Retry-After as an HTTP date, this many seconds ahead',
      to: 'Location of a 3xx',
      form: `form of the body: ${FAULT_FORMS.join(', ')}`,
      http200: 'the body says the status, HTTP says 200 (files API)',
      after: AFTER,
    },
    example: 'submit:429*2(retry-after=1)',
  },
  {
    points: [...API, 'link'],
    kind: 'reset',
    does: 'resets the connection before the body of the request is read',
    options: {
      read: 'after the body was read, before it takes effect',
      after: AFTER,
      fin: 'closes politely (FIN) instead of RST',
      reused: 'strikes only a connection that has served a request before',
    },
    example: 'submit:reset(after)',
  },
  {
    points: [...API, 'link'],
    kind: 'hang',
    does: 'reads the request and never answers',
    options: { after: AFTER },
    example: 'submit:hang(after)',
  },
  {
    points: [...API, 'link'],
    kind: 'delay',
    does: 'waits before the answer',
    amount: 'milliseconds',
    isAmountRequired: true,
    isModifier: true,
    example: 'poll:delay@5000',
  },
  {
    points: [...API, 'link'],
    kind: 'html',
    does: 'answers 200 with an HTML page; a submit has made its task',
    options: { before: 'a submit makes no task' },
    example: 'submit:html',
  },
  {
    points: [...API, 'link'],
    kind: 'empty',
    does: 'answers 200 with no body; a submit has made its task',
    options: { before: 'a submit makes no task' },
    example: 'submit:empty',
  },
  {
    points: API,
    kind: 'cut',
    does: 'ends the JSON after the id, or after N bytes; the announced length stays',
    amount: 'bytes',
    options: { whole: 'announces the short length', rst: 'ends with a reset instead of FIN' },
    example: 'submit:cut(whole)',
  },
  { points: API, kind: 'no-id', does: 'leaves the id out of the answer', example: 'submit:no-id' },
  {
    points: API,
    kind: 'huge',
    does: 'answers with a very long JSON document',
    amount: 'megabytes, 50 if not given',
    example: 'poll:huge@50',
  },
  {
    points: API,
    kind: 'deep',
    does: 'answers with deeply nested JSON',
    amount: 'levels, 10000 if not given',
    example: 'poll:deep@10000',
  },
  {
    points: ['poll'],
    kind: 'word',
    does: 'shows another status word, whatever the task does',
    bareOption: 'word',
    requiredOption: 'word',
    options: { word: 'the status word' },
    isModifier: true,
    example: 'poll:word*3(queued)',
  },
  {
    points: ['poll'],
    kind: 'empty-results',
    does: 'shows a completed task with an empty result list',
    isModifier: true,
    example: 'poll:empty-results*2',
  },
  {
    points: ['server'],
    kind: 'date-skew',
    does: "the server's clock, its Date header included, is off by N seconds from now on",
    amount: 'seconds',
    isAmountRequired: true,
    example: 'server:date-skew@7200',
  },
];
