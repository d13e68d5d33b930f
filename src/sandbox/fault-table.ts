export const FAULT_POINTS = [
  'submit',
  'poll',
  'list',
  'batch',
  'credits',
  'upload',
  'files',
  'link',
  'task',
  'server',
] as const;
/** Where a fault strikes: an endpoint, the result link, the life of a task, or the server as a whole. */
export type FaultPoint = (typeof FAULT_POINTS)[number];

/** One fault as data. The text form is `point:kind@amount*count(option,key=value)`. */
export interface FaultSpec {
  readonly point: FaultPoint;
  /** A kind of the fault table, or an HTTP status such as `429`. */
  readonly kind: string;
  readonly amount?: number | undefined;
  /** How often it strikes, default 1; `'*'` = for ever. */
  readonly count?: number | '*' | undefined;
  /** Flags have an empty value. */
  readonly options?: Readonly<Record<string, string>> | undefined;
}

/** Faults in the order in which they strike, as text or as data. */
export type FaultPlan = string | readonly FaultSpec[];

/** A fault that was checked against the table. */
export interface Fault {
  readonly point: FaultPoint;
  /** `status` for a numeric kind. */
  readonly kind: string;
  readonly status: number | undefined;
  readonly amount: number | undefined;
  readonly count: number;
  readonly options: Readonly<Record<string, string>>;
  /** Modifiers strike together with others; of the rest only one strikes a request. */
  readonly isModifier: boolean;
  /** As written, for the ledger. */
  readonly text: string;
}

export interface FaultRow {
  readonly points: readonly FaultPoint[];
  /** `status` stands for any number from 300 to 599. */
  readonly kind: string;
  readonly does: string;
  /** What `@N` means; absent = the kind takes none. */
  readonly amount?: string;
  readonly isAmountRequired?: boolean;
  /** The option that a first bare word in the parentheses stands for. */
  readonly bareOption?: string;
  readonly requiredOption?: string;
  readonly options?: Readonly<Record<string, string>>;
  readonly isModifier?: boolean;
  readonly example: string;
}

/** How the body of a status fault can look: the forms in which the service and what stands before it refuse. */
export const FAULT_FORMS = ['json', 'upper', 'number', 'flat', 'files', 'text', 'html', 'xml'] as const;

const API: readonly FaultPoint[] = ['submit', 'poll', 'list', 'batch', 'credits', 'upload', 'files'];
const AFTER = 'the request takes effect first (a submit makes a task), then the fault strikes';

/** Faults of the endpoints; some strike result links as well. */
const API_FAULT_ROWS: readonly FaultRow[] = [
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

const TASK: readonly FaultPoint[] = ['task'];

/** Faults of the life of a task, decided when it is submitted. */
const TASK_FAULT_ROWS: readonly FaultRow[] = [
  {
    points: TASK,
    kind: 'fail',
    does: 'the task ends as failed and is refunded',
    bareOption: 'code',
    options: { code: 'the task error code', message: 'the message; \\n for a line break' },
    example: 'task:fail(content_policy_violation)',
  },
  {
    points: TASK,
    kind: 'cancel',
    does: 'the task ends as cancelled and is refunded',
    example: 'task:cancel',
  },
  { points: TASK, kind: 'never', does: 'the task stays in processing for ever', example: 'task:never' },
  {
    points: TASK,
    kind: 'word',
    does: 'the task stays in a status that no document names',
    bareOption: 'word',
    requiredOption: 'word',
    options: { word: 'the status word' },
    example: 'task:word(archiving)',
  },
  {
    points: TASK,
    kind: 'links',
    does: 'the task has several result links',
    amount: 'number of links',
    isAmountRequired: true,
    isModifier: true,
    example: 'task:links@3',
  },
  {
    points: TASK,
    kind: 'result-data',
    does: 'the link is in result_data.video_url only',
    isModifier: true,
    example: 'task:result-data',
  },
  {
    points: TASK,
    kind: 'slow',
    does: 'the task takes N times as long',
    amount: 'factor',
    isAmountRequired: true,
    isModifier: true,
    example: 'task:slow@10',
  },
  {
    points: TASK,
    kind: 'instant',
    does: 'the task needs no time',
    isModifier: true,
    example: 'task:instant',
  },
];

const LINK: readonly FaultPoint[] = ['link'];

/** Faults of result links. */
const LINK_FAULT_ROWS: readonly FaultRow[] = [
  { points: LINK, kind: 'xml', does: 'answers 200 with an XML error document', example: 'link:xml' },
  {
    points: LINK,
    kind: 'cut',
    does: 'ends the body after N bytes; the announced length stays',
    amount: 'bytes of this body',
    isAmountRequired: true,
    isModifier: true,
    options: { fin: 'ends with FIN (the default)', rst: 'ends with a reset', stall: 'sends nothing more' },
    example: 'link:cut@65536(rst)',
  },
  {
    points: LINK,
    kind: 'drip',
    does: 'sends slowly',
    amount: 'bytes a second',
    isAmountRequired: true,
    isModifier: true,
    example: 'link:drip@1',
  },
  {
    points: LINK,
    kind: 'wrong-length',
    does: 'announces a Content-Length that is off by N',
    amount: 'difference in bytes',
    isAmountRequired: true,
    isModifier: true,
    example: 'link:wrong-length@100',
  },
  {
    points: LINK,
    kind: 'no-length',
    does: 'announces no length; the end of the connection is the end of the body',
    isModifier: true,
    example: 'link:no-length',
  },
  {
    points: LINK,
    kind: 'chunked',
    does: 'sends chunks, no length',
    isModifier: true,
    example: 'link:chunked',
  },
  {
    points: LINK,
    kind: 'extra',
    does: 'sends N bytes more than announced',
    amount: 'bytes',
    isAmountRequired: true,
    isModifier: true,
    example: 'link:extra@10',
  },
  {
    points: LINK,
    kind: 'weak-etag',
    does: 'marks the ETag as weak',
    isModifier: true,
    example: 'link:weak-etag*',
  },
  {
    points: LINK,
    kind: 'no-etag',
    does: 'sends no ETag and no date',
    isModifier: true,
    example: 'link:no-etag*',
  },
  {
    points: LINK,
    kind: 'change',
    does: 'the clip becomes another one (bytes and ETag) before this answer',
    isModifier: true,
    example: 'link:cut@1000; link:change(skip=1)',
  },
  {
    points: LINK,
    kind: 'ignore-range',
    does: 'answers 200 with the whole clip',
    isModifier: true,
    example: 'link:ignore-range*',
  },
  {
    points: LINK,
    kind: 'wrong-start',
    does: 'sends a 206 whose range starts N bytes further',
    amount: 'bytes',
    isAmountRequired: true,
    isModifier: true,
    example: 'link:wrong-start@1',
  },
  {
    points: LINK,
    kind: 'wrong-total',
    does: 'sends a 206 whose total is off by N',
    amount: 'bytes',
    isAmountRequired: true,
    isModifier: true,
    example: 'link:wrong-total@1',
  },
  { points: LINK, kind: 'gzip', does: 'encodes the clip with gzip', isModifier: true, example: 'link:gzip' },
  {
    points: LINK,
    kind: 'disposition',
    does: 'sends a Content-Disposition',
    bareOption: 'name',
    options: { name: 'the file name in it, ../../evil.sh if not given' },
    isModifier: true,
    example: 'link:disposition(../../x)',
  },
  {
    points: LINK,
    kind: 'early-hints',
    does: 'sends 103 with a Content-Disposition before the answer',
    bareOption: 'name',
    options: { name: 'the file name in it' },
    isModifier: true,
    example: 'link:early-hints(evil.sh)',
  },
  { points: LINK, kind: 'redirect-loop', does: 'redirects without end', example: 'link:redirect-loop' },
  {
    points: LINK,
    kind: 'redirect',
    does: 'redirects to a URL',
    bareOption: 'to',
    requiredOption: 'to',
    options: { to: 'the URL' },
    example: 'link:redirect(to=http://169.254.169.254/)',
  },
  {
    points: LINK,
    kind: 'expire',
    does: 'this link answers 403 from now on; the next reading of the task has a fresh one',
    example: 'link:expire',
  },
];

/** Every fault the sandbox can produce. `--help` and the README print this table; the parser checks against it. */
export const FAULT_TABLE: readonly FaultRow[] = [...API_FAULT_ROWS, ...TASK_FAULT_ROWS, ...LINK_FAULT_ROWS];

/** Options that every fault takes. */
export const SHARED_FAULT_OPTIONS: Readonly<Record<string, string>> = {
  skip: 'lets N matching requests pass first',
  index: 'strikes only result link number N (from 1)',
};

/** How faults are written, for `--help` and the README. */
export const FAULT_SYNTAX =
  'point:kind@amount*count(option,key=value); … count is 1 if not given, * alone means for ever';
