/** Where a fault strikes: an endpoint, the result link, the life of a task, or the server as a whole. */
const API = ['submit', 'poll', 'list', 'batch', 'credits', 'upload', 'files'] as const;
export const FAULT_POINTS = [...API, 'link', 'task', 'server'] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

/** One fault as data. The text form is `point:kind@amount*count(option,key=value)`. */
export interface FaultSpec {
  readonly point: FaultPoint;
  /** A kind of the fault table, or an HTTP status such as `429`. */
  readonly kind: string;
  readonly amount?: number | undefined;
  /** How often it strikes, default 1; infinity = for ever. */
  readonly count?: number;
  /** Flags have an empty value. */
  readonly options?: Readonly<Record<string, string>>;
}

/** Faults in the order in which they strike, as text or as data. */
export type FaultPlan = string | readonly FaultSpec[];

/** A fault that was checked against the table. */
export interface Fault extends Required<FaultSpec> {
  /** Of a numeric kind, whose kind is `status`. */
  readonly status: number | undefined;
  /** Modifiers strike together with others; of the rest only one strikes a request. */
  readonly isModifier: boolean;
  /** As written, for the ledger. */
  readonly text: string;
}

/** What a fault does, without the place where it strikes. */
interface Effect {
  readonly does: string;
  /** What `@N` means; absent = the kind takes none. */
  readonly amount?: string;
  readonly isAmountRequired?: boolean;
  /** The option that a first bare word in the parentheses stands for. */
  readonly bareOption?: string;
  readonly requiredOption?: string;
  readonly options?: Readonly<Record<string, string>>;
}

export interface FaultRow extends Effect {
  readonly points: readonly FaultPoint[];
  /** `status` stands for any number from 300 to 599. */
  readonly kind: string;
  readonly isModifier: boolean;
  readonly example: string;
}

/** How the body of a status fault can look: the forms in which the service and what stands before it refuse. */
export const FAULT_FORMS = ['json', 'upper', 'number', 'flat', 'files', 'text', 'html', 'xml'] as const;

const AFTER = { after: 'the request takes effect first (a submit makes a task), then the fault strikes' };
const BEFORE = { before: 'a submit makes no task' };
const WORD = { bareOption: 'word', requiredOption: 'word', options: { word: 'the status word' } };
const NAME = { bareOption: 'name', options: { name: 'the file name in it' } };
const needs = (amount: string) => ({ amount, isAmountRequired: true });

/** Rows of some points by kind; the example of each is completed by its point and kind. */
function rows(
  points: readonly FaultPoint[],
  effects: Readonly<Record<string, Effect & { readonly example?: string }>>,
  isModifier = false,
): FaultRow[] {
  return Object.entries(effects).map(([kind, { example = '', ...effect }]) => {
    const written = kind === 'status' ? '429' : kind;
    return { points, kind, isModifier, ...effect, example: `${points[0]}:${written}${example}` };
  });
}

/** Modifiers strike together with others; of the rest only one strikes a request. */
const modifiers = (...[points, effects]: Parameters<typeof rows>) => rows(points, effects, true);

/** Every fault the sandbox can produce. `evolink help faults` prints this table; the parser checks against it. */
export const FAULT_TABLE: readonly FaultRow[] = [
  ...rows([...API, 'link'], {
    status: {
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
        ...AFTER,
      },
      example: '*2(retry-after=1)',
    },
    reset: {
      does: 'resets the connection before the body of the request is read',
      options: {
        read: 'after the body was read, before it takes effect',
        ...AFTER,
        fin: 'closes politely (FIN) instead of RST',
        reused: 'strikes only a connection that has served a request before',
      },
      example: '(after)',
    },
    hang: { does: 'reads the request and never answers', options: AFTER, example: '(after)' },
    html: { does: 'answers 200 with an HTML page; a submit has made its task', options: BEFORE },
    empty: { does: 'answers 200 with no body; a submit has made its task', options: BEFORE },
  }),
  ...modifiers([...API, 'link'], {
    delay: { does: 'waits before the answer', ...needs('milliseconds'), example: '@5000' },
  }),
  ...rows(API, {
    cut: {
      does: 'ends the JSON after the id, or after N bytes; the announced length stays',
      amount: 'bytes',
      options: { whole: 'announces the short length', rst: 'ends with a reset instead of FIN' },
      example: '(whole)',
    },
    'no-id': { does: 'leaves the id out of the answer' },
    huge: { does: 'answers with a very long JSON document', amount: 'megabytes, 50 if not given' },
    deep: { does: 'answers with deeply nested JSON', amount: 'levels, 10000 if not given' },
  }),
  ...modifiers(['poll'], {
    word: { does: 'shows another status word, whatever the task does', ...WORD, example: '*3(queued)' },
    'empty-results': { does: 'shows a completed task with an empty result list', example: '*2' },
  }),
  ...rows(['server'], {
    'date-skew': {
      does: "the server's clock, its Date header included, is off by N seconds from now on",
      ...needs('seconds'),
      example: '@7200',
    },
  }),
  // The life of a task is decided when it is submitted.
  ...rows(['task'], {
    fail: {
      does: 'the task ends as failed and is refunded',
      bareOption: 'code',
      options: { code: 'the task error code', message: 'the message; \\n for a line break' },
      example: '(content_policy_violation)',
    },
    cancel: { does: 'the task ends as cancelled and is refunded' },
    never: { does: 'the task stays in processing for ever' },
    word: { does: 'the task stays in a status that no document names', ...WORD, example: '(archiving)' },
  }),
  ...modifiers(['task'], {
    links: { does: 'the task has several result links', ...needs('number of links'), example: '@3' },
    'result-data': { does: 'the link is in result_data.video_url only' },
    slow: { does: 'the task takes N times as long', ...needs('factor'), example: '@10' },
    instant: { does: 'the task needs no time' },
  }),
  ...rows(['link'], {
    xml: { does: 'answers 200 with an XML error document' },
    'redirect-loop': { does: 'redirects without end' },
    redirect: {
      does: 'redirects to a URL',
      bareOption: 'to',
      requiredOption: 'to',
      options: { to: 'the URL' },
      example: '(to=http://10.0.0.1/)',
    },
    expire: { does: 'this link answers 403 from now on; the next reading of the task has a fresh one' },
  }),
  ...modifiers(['link'], {
    cut: {
      does: 'ends the body after N bytes; the announced length stays',
      ...needs('bytes of this body'),
      options: { fin: 'ends with FIN (the default)', rst: 'ends with a reset', stall: 'sends nothing more' },
      example: '@65536(rst)',
    },
    drip: { does: 'sends slowly', ...needs('bytes a second'), example: '@1' },
    'wrong-length': {
      does: 'announces a Content-Length that is off by N',
      ...needs('bytes'),
      example: '@100',
    },
    'no-length': { does: 'announces no length; the end of the connection is the end of the body' },
    chunked: { does: 'sends chunks, no length' },
    extra: { does: 'sends N bytes more than announced', ...needs('bytes'), example: '@10' },
    'weak-etag': { does: 'marks the ETag as weak', example: '*' },
    'no-etag': { does: 'sends no ETag and no date', example: '*' },
    change: { does: 'the clip becomes another one (bytes and ETag) before this answer', example: '(skip=1)' },
    'ignore-range': { does: 'answers 200 with the whole clip', example: '*' },
    'wrong-start': {
      does: 'sends a 206 whose range starts N bytes further',
      ...needs('bytes'),
      example: '@1',
    },
    'wrong-total': { does: 'sends a 206 whose total is off by N', ...needs('bytes'), example: '@1' },
    gzip: { does: 'encodes the clip with gzip' },
    disposition: { does: 'sends a Content-Disposition', ...NAME, example: '(../../x)' },
    'early-hints': { does: 'sends 103 with a Content-Disposition before the answer', ...NAME },
  }),
];

/** Options that every fault takes. */
export const SHARED_FAULT_OPTIONS: Readonly<Record<string, string>> = {
  skip: 'lets N matching requests pass first',
  index: 'strikes only result link number N (from 1)',
};

/** How faults are written. */
export const FAULT_SYNTAX =
  'point:kind@amount*count(option,key=value); … count is 1 if not given, * alone means for ever';
