/** Where a fault strikes: an endpoint, the result link, the life of a task, or the server as a whole. */
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
const HTTP: readonly FaultPoint[] = [...API, 'link'];
const LINK: readonly FaultPoint[] = ['link'];
const TASK: readonly FaultPoint[] = ['task'];
const POLL: readonly FaultPoint[] = ['poll'];

const AFTER = { after: 'the request takes effect first (a submit makes a task), then the fault strikes' };
const BEFORE = { before: 'a submit makes no task' };
const WORD = { bareOption: 'word', requiredOption: 'word', options: { word: 'the status word' } };

type Extra = Partial<Omit<FaultRow, 'points' | 'kind' | 'does' | 'example'>>;
const row = (
  points: readonly FaultPoint[],
  kind: string,
  does: string,
  example: string,
  extra: Extra = {},
) => ({
  points,
  kind,
  does,
  example,
  ...extra,
});
/** Strikes together with others. */
const modifier = (...[points, kind, does, example, extra]: Parameters<typeof row>) =>
  row(points, kind, does, example, { ...extra, isModifier: true });
const needs = (amount: string): Extra => ({ amount, isAmountRequired: true });

/** Every fault the sandbox can produce. `evolink help faults` prints this table; the parser checks against it. */
export const FAULT_TABLE: readonly FaultRow[] = [
  row(
    HTTP,
    'status',
    'answers with this HTTP status; 502 and 504 as a gateway HTML page, the rest as JSON (links: XML)',
    'submit:429*2(retry-after=1)',
    {
      bareOption: 'code',
      options: {
        code: 'the error code in the body',
        message: 'the error message in the body',
        'retry-after': 'Retry-After in seconds',
        'retry-after-date': 'Retry-After as an HTTP date, this many seconds ahead',
        to: 'Location of a 3xx',
        form: `form of the body: ${FAULT_FORMS.join(', ')}`,
        http200: 'the body says the status, HTTP says 200 (files API)',
        ...AFTER,
      },
    },
  ),
  row(HTTP, 'reset', 'resets the connection before the body of the request is read', 'submit:reset(after)', {
    options: {
      read: 'after the body was read, before it takes effect',
      ...AFTER,
      fin: 'closes politely (FIN) instead of RST',
      reused: 'strikes only a connection that has served a request before',
    },
  }),
  row(HTTP, 'hang', 'reads the request and never answers', 'submit:hang(after)', { options: AFTER }),
  modifier(HTTP, 'delay', 'waits before the answer', 'poll:delay@5000', needs('milliseconds')),
  row(HTTP, 'html', 'answers 200 with an HTML page; a submit has made its task', 'submit:html', {
    options: BEFORE,
  }),
  row(HTTP, 'empty', 'answers 200 with no body; a submit has made its task', 'submit:empty', {
    options: BEFORE,
  }),
  row(
    API,
    'cut',
    'ends the JSON after the id, or after N bytes; the announced length stays',
    'submit:cut(whole)',
    {
      amount: 'bytes',
      options: { whole: 'announces the short length', rst: 'ends with a reset instead of FIN' },
    },
  ),
  row(API, 'no-id', 'leaves the id out of the answer', 'submit:no-id'),
  row(API, 'huge', 'answers with a very long JSON document', 'poll:huge@50', {
    amount: 'megabytes, 50 if not given',
  }),
  row(API, 'deep', 'answers with deeply nested JSON', 'poll:deep@10000', {
    amount: 'levels, 10000 if not given',
  }),
  modifier(POLL, 'word', 'shows another status word, whatever the task does', 'poll:word*3(queued)', WORD),
  modifier(POLL, 'empty-results', 'shows a completed task with an empty result list', 'poll:empty-results*2'),
  row(
    ['server'],
    'date-skew',
    "the server's clock, its Date header included, is off by N seconds from now on",
    'server:date-skew@7200',
    needs('seconds'),
  ),

  // The life of a task, decided when it is submitted.
  row(TASK, 'fail', 'the task ends as failed and is refunded', 'task:fail(content_policy_violation)', {
    bareOption: 'code',
    options: { code: 'the task error code', message: 'the message; \\n for a line break' },
  }),
  row(TASK, 'cancel', 'the task ends as cancelled and is refunded', 'task:cancel'),
  row(TASK, 'never', 'the task stays in processing for ever', 'task:never'),
  row(TASK, 'word', 'the task stays in a status that no document names', 'task:word(archiving)', WORD),
  modifier(TASK, 'links', 'the task has several result links', 'task:links@3', needs('number of links')),
  modifier(TASK, 'result-data', 'the link is in result_data.video_url only', 'task:result-data'),
  modifier(TASK, 'slow', 'the task takes N times as long', 'task:slow@10', needs('factor')),
  modifier(TASK, 'instant', 'the task needs no time', 'task:instant'),

  row(LINK, 'xml', 'answers 200 with an XML error document', 'link:xml'),
  modifier(LINK, 'cut', 'ends the body after N bytes; the announced length stays', 'link:cut@65536(rst)', {
    ...needs('bytes of this body'),
    options: { fin: 'ends with FIN (the default)', rst: 'ends with a reset', stall: 'sends nothing more' },
  }),
  modifier(LINK, 'drip', 'sends slowly', 'link:drip@1', needs('bytes a second')),
  modifier(
    LINK,
    'wrong-length',
    'announces a Content-Length that is off by N',
    'link:wrong-length@100',
    needs('difference in bytes'),
  ),
  modifier(
    LINK,
    'no-length',
    'announces no length; the end of the connection is the end of the body',
    'link:no-length',
  ),
  modifier(LINK, 'chunked', 'sends chunks, no length', 'link:chunked'),
  modifier(LINK, 'extra', 'sends N bytes more than announced', 'link:extra@10', needs('bytes')),
  modifier(LINK, 'weak-etag', 'marks the ETag as weak', 'link:weak-etag*'),
  modifier(LINK, 'no-etag', 'sends no ETag and no date', 'link:no-etag*'),
  modifier(
    LINK,
    'change',
    'the clip becomes another one (bytes and ETag) before this answer',
    'link:cut@1000; link:change(skip=1)',
  ),
  modifier(LINK, 'ignore-range', 'answers 200 with the whole clip', 'link:ignore-range*'),
  modifier(
    LINK,
    'wrong-start',
    'sends a 206 whose range starts N bytes further',
    'link:wrong-start@1',
    needs('bytes'),
  ),
  modifier(LINK, 'wrong-total', 'sends a 206 whose total is off by N', 'link:wrong-total@1', needs('bytes')),
  modifier(LINK, 'gzip', 'encodes the clip with gzip', 'link:gzip'),
  modifier(LINK, 'disposition', 'sends a Content-Disposition', 'link:disposition(../../x)', {
    bareOption: 'name',
    options: { name: 'the file name in it, ../../evil.sh if not given' },
  }),
  modifier(
    LINK,
    'early-hints',
    'sends 103 with a Content-Disposition before the answer',
    'link:early-hints(evil.sh)',
    { bareOption: 'name', options: { name: 'the file name in it' } },
  ),
  row(LINK, 'redirect-loop', 'redirects without end', 'link:redirect-loop'),
  row(LINK, 'redirect', 'redirects to a URL', 'link:redirect(to=http://169.254.169.254/)', {
    bareOption: 'to',
    requiredOption: 'to',
    options: { to: 'the URL' },
  }),
  row(
    LINK,
    'expire',
    'this link answers 403 from now on; the next reading of the task has a fresh one',
    'link:expire',
  ),
];

/** Options that every fault takes. */
export const SHARED_FAULT_OPTIONS: Readonly<Record<string, string>> = {
  skip: 'lets N matching requests pass first',
  index: 'strikes only result link number N (from 1)',
};

/** How faults are written. */
export const FAULT_SYNTAX =
  'point:kind@amount*count(option,key=value); … count is 1 if not given, * alone means for ever';
