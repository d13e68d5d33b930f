/** Where a fault strikes: an endpoint, the result link, the life of a task, or the server as a whole. */
const API = ['submit', 'poll', 'list', 'batch', 'credits', 'upload', 'files'] as const;
export const FAULT_POINTS = [...API, 'link', 'task', 'server'] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

export interface FaultRow {
  readonly points: readonly FaultPoint[];
  /** `status` stands for any number from 300 to 599. */
  readonly kind: string;
  /** Modifiers strike together with others; of the rest only one strikes a request. */
  readonly isModifier: boolean;
  readonly does: string;
  readonly example: string;
  /** What `@N` means; absent = the kind takes none. */
  readonly amount?: string;
  readonly isAmountRequired?: boolean;
  /** The option that a first bare word in the parentheses stands for. */
  readonly bareOption?: string;
  readonly requiredOption?: string;
  readonly options?: Readonly<Record<string, string>>;
}

type More = Partial<Omit<FaultRow, 'points' | 'kind' | 'does' | 'isModifier'>>;

/** A row; its example is completed by point and kind. */
const makeRow =
  (isModifier: boolean) =>
  (points: readonly FaultPoint[], kind: string, does: string, { example = '', ...more }: More = {}) => {
    const written = `${points[0]}:${kind === 'status' ? '429' : kind}${example}`;
    return { points, kind, does, isModifier, ...more, example: written };
  };
const strike = makeRow(false);
const modify = makeRow(true);
const needs = (amount: string) => ({ amount, isAmountRequired: true });

const EVERY = [...API, 'link'] as const;
/** How the body of a status fault can look: the forms in which the service and what stands before it refuse. */
export const FAULT_FORMS = ['json', 'upper', 'number', 'flat', 'files', 'text', 'html', 'xml'] as const;
const AFTER = { after: 'the request takes effect first (a submit makes a task), then the fault strikes' };
const BEFORE = { before: 'a submit makes no task' };
const STATUS = {
  code: 'the error code in the body',
  message: 'the error message in the body',
  'retry-after': 'Retry-After in seconds',
  'retry-after-date': 'Retry-After as an HTTP date, this many seconds ahead',
  to: 'Location of a 3xx',
  form: `form of the body: ${FAULT_FORMS.join(', ')}`,
  http200: 'the body says the status, HTTP says 200 (files API)',
  ...AFTER,
};
const RESET = {
  read: 'after the body was read, before it takes effect',
  ...AFTER,
  fin: 'closes politely (FIN) instead of RST',
  reused: 'strikes only a connection that has served a request before',
};
const CUT = { whole: 'announces the short length', rst: 'ends with a reset instead of FIN' };
const FAILURE = { code: 'the task error code', message: 'the message; \\n for a line break' };
const ENDING = {
  fin: 'ends with FIN (the default)',
  rst: 'ends with a reset',
  stall: 'sends nothing more',
};
const WORD = { bareOption: 'word', requiredOption: 'word', options: { word: 'the status word' } };
const NAME = { bareOption: 'name', options: { name: 'the file name in it' } };
const TO = { bareOption: 'to', requiredOption: 'to', options: { to: 'the URL' } };

// biome-ignore format: one row a fault
/** Every fault the sandbox can produce. `evolink help faults` prints this table; the parser checks against it. */
export const FAULT_TABLE: readonly FaultRow[] = [
  strike(EVERY, 'status', 'answers with this HTTP status; 502 and 504 as a gateway HTML page, the rest as JSON (links: XML)', { bareOption: 'code', options: STATUS, example: '*2(retry-after=1)' }),
  strike(EVERY, 'reset', 'resets the connection before the body of the request is read', { options: RESET, example: '(after)' }),
  strike(EVERY, 'hang', 'reads the request and never answers', { options: AFTER, example: '(after)' }),
  strike(EVERY, 'html', 'answers 200 with an HTML page; a submit has made its task', { options: BEFORE }),
  strike(EVERY, 'empty', 'answers 200 with no body; a submit has made its task', { options: BEFORE }),
  modify(EVERY, 'delay', 'waits before the answer', { ...needs('milliseconds'), example: '@5000' }),
  strike(API, 'cut', 'ends the JSON after the id, or after N bytes; the announced length stays', { amount: 'bytes', options: CUT, example: '(whole)' }),
  strike(API, 'no-id', 'leaves the id out of the answer'),
  strike(API, 'huge', 'answers with a very long JSON document', { amount: 'megabytes, 50 if not given' }),
  strike(API, 'deep', 'answers with deeply nested JSON', { amount: 'levels, 10000 if not given' }),
  modify(['poll'], 'word', 'shows another status word, whatever the task does', { ...WORD, example: '*3(queued)' }),
  modify(['poll'], 'empty-results', 'shows a completed task with an empty result list', { example: '*2' }),
  strike(['server'], 'date-skew', "the server's clock, its Date header included, is off by N seconds from now on", { ...needs('seconds'), example: '@7200' }),
  // The life of a task is decided when it is submitted.
  strike(['task'], 'fail', 'the task ends as failed and is refunded', { bareOption: 'code', options: FAILURE, example: '(content_policy_violation)' }),
  strike(['task'], 'cancel', 'the task ends as cancelled and is refunded'),
  strike(['task'], 'never', 'the task stays in processing for ever'),
  strike(['task'], 'word', 'the task stays in a status that no document names', { ...WORD, example: '(archiving)' }),
  modify(['task'], 'links', 'the task has several result links', { ...needs('number of links'), example: '@3' }),
  modify(['task'], 'result-data', 'the link is in result_data.video_url only'),
  modify(['task'], 'slow', 'the task takes N times as long', { ...needs('factor'), example: '@10' }),
  modify(['task'], 'instant', 'the task needs no time'),
  strike(['link'], 'xml', 'answers 200 with an XML error document'),
  strike(['link'], 'redirect-loop', 'redirects without end'),
  strike(['link'], 'redirect', 'redirects to a URL', { ...TO, example: '(to=http://10.0.0.1/)' }),
  strike(['link'], 'expire', 'this link answers 403 from now on; the next reading of the task has a fresh one'),
  modify(['link'], 'cut', 'ends the body after N bytes; the announced length stays', { ...needs('bytes of this body'), options: ENDING, example: '@65536(rst)' }),
  modify(['link'], 'drip', 'sends slowly', { ...needs('bytes a second'), example: '@1' }),
  modify(['link'], 'wrong-length', 'announces a Content-Length that is off by N', { ...needs('bytes'), example: '@100' }),
  modify(['link'], 'no-length', 'announces no length; the end of the connection is the end of the body'),
  modify(['link'], 'chunked', 'sends chunks, no length'),
  modify(['link'], 'extra', 'sends N bytes more than announced', { ...needs('bytes'), example: '@10' }),
  modify(['link'], 'weak-etag', 'marks the ETag as weak', { example: '*' }),
  modify(['link'], 'no-etag', 'sends no ETag and no date', { example: '*' }),
  modify(['link'], 'change', 'the clip becomes another one (bytes and ETag) before this answer', { example: '(skip=1)' }),
  modify(['link'], 'ignore-range', 'answers 200 with the whole clip', { example: '*' }),
  modify(['link'], 'wrong-start', 'sends a 206 whose range starts N bytes further', { ...needs('bytes'), example: '@1' }),
  modify(['link'], 'wrong-total', 'sends a 206 whose total is off by N', { ...needs('bytes'), example: '@1' }),
  modify(['link'], 'gzip', 'encodes the clip with gzip'),
  modify(['link'], 'disposition', 'sends a Content-Disposition', { ...NAME, example: '(../../x)' }),
  modify(['link'], 'early-hints', 'sends 103 with a Content-Disposition before the answer', NAME),
];

/** Options that every fault takes. */
export const SHARED_FAULT_OPTIONS: Readonly<Record<string, string>> = {
  skip: 'lets N matching requests pass first',
  index: 'strikes only result link number N (from 1)',
};

/** How faults are written; those of a plan strike in this order. */
export const FAULT_SYNTAX =
  'point:kind@amount*count(option,key=value); … count is 1 if not given, * alone means for ever';
