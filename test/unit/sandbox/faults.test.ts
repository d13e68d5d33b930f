import { describe, expect, it } from 'vitest';
import { createFaultQueue, parseFaults } from '../../../src/sandbox/fault-plan.ts';
import { FAULT_TABLE } from '../../../src/sandbox/fault-table.ts';

describe('parseFaults', () => {
  it.each([
    [
      'submit:429*2(retry-after=1)',
      { point: 'submit', kind: 'status', status: 429, count: 2, options: { 'retry-after': '1' } },
    ],
    ['submit:429(retry-after=1)*2', { status: 429, count: 2 }],
    ['link:wrong-length@-5*', { amount: -5, count: Number.POSITIVE_INFINITY, isModifier: true }],
    ['task:fail(x,message=a; b)', { options: { code: 'x', message: 'a; b' } }],
    ['submit:reset(after,fin)', { kind: 'reset', options: { after: '', fin: '' } }],
    ['link:disposition(../../x)', { options: { name: '../../x' } }],
  ])('%s', (text, fault) => {
    expect(parseFaults(text)).toMatchObject([fault]);
  });

  it('reads several, with spaces, none', () => {
    const texts = parseFaults(' submit:429 ;; poll:500; ').map((fault) => fault.text);
    expect([texts, parseFaults('')]).toEqual([['submit:429', 'poll:500'], []]);
  });

  it.each([
    ['429', 'does not read as'],
    ['submits:429', 'no such point "submits"', 'submit'],
    ['submit:restet', '"submit" has no fault "restet"', 'reset'],
    ['submit:200', '"submit" has no fault "200"'],
    ['link:cut', 'it needs @N: bytes of this body'],
    ['task:word', 'it needs (word)'],
    ['submit:empty@5', '"empty" takes no @N'],
    ['submit:429*0', 'a count of 0 never strikes'],
    ['submit:reset(affter)', '"reset" has no option "affter"', 'after'],
    ['submit:429(retry-after=soon)', 'retry-after must be a whole number, not "soon"'],
    ['submit:429(form=yaml)', 'form must be one of'],
  ])('refuses %s', (text, message, suggestion = '') => {
    const details = suggestion === '' ? undefined : [expect.stringContaining(`mean "${suggestion}"`)];
    expect(() => parseFaults(text)).toThrow(
      expect.objectContaining({
        kind: 'usage',
        message: expect.stringContaining(message),
        facts: expect.objectContaining(details === undefined ? {} : { details }),
      }),
    );
  });

  it('knows every example of the table', () => {
    for (const row of FAULT_TABLE)
      expect(parseFaults(row.example).map(({ kind }) => kind)).toContain(row.kind);
    const keys = FAULT_TABLE.flatMap((row) => row.points.map((point) => `${point}:${row.kind}`));
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('createFaultQueue', () => {
  const queueOf = (text: string) => {
    const queue = createFaultQueue();
    queue.add(parseFaults(text));
    return queue;
  };
  type Queue = ReturnType<typeof queueOf>;
  const texts = (queue: Queue, ...args: Parameters<Queue['take']>): string[] =>
    queue.take(...args).map((fault) => fault.text);

  it('strikes in the order written, each as often as said, after as many as said', () => {
    const queue = queueOf('submit:429*2; submit:500; poll:401(skip=2)');
    const struck = [1, 2, 3, 4].map(() => texts(queue, 'submit').join());
    expect(struck).toEqual(['submit:429*2', 'submit:429*2', 'submit:500', '']);
    expect([1, 2, 3, 4].map(() => queue.take('poll').length)).toEqual([0, 0, 1, 0]);
  });

  it('joins modifiers, but never two of what excludes each other', () => {
    const queue = queueOf('link:no-etag*; link:cut@5; link:404; link:410');
    expect(texts(queue, 'link')).toEqual(['link:no-etag*', 'link:cut@5', 'link:404']);
    expect(texts(queue, 'link')).toEqual(['link:no-etag*', 'link:410']);
  });

  it('keeps points, links and connections apart', () => {
    const queue = queueOf('link:404(index=2); credits:reset(reused)');
    expect(texts(queue, 'poll')).toEqual([]);
    expect(texts(queue, 'link', { linkIndex: 1 })).toEqual([]);
    expect(texts(queue, 'link', { linkIndex: 2 })).toHaveLength(1);
    expect(texts(queue, 'credits', { isReusedConnection: false })).toEqual([]);
    expect(texts(queue, 'credits', { isReusedConnection: true })).toHaveLength(1);
  });
});
