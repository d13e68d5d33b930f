import { describe, expect, it } from 'vitest';
import { createFaultQueue, type FaultQueue, parseFaults } from '../../../../src/sandbox/faults.ts';

function queueOf(text: string): FaultQueue {
  const queue = createFaultQueue();
  queue.add(parseFaults(text));
  return queue;
}

const texts = (queue: FaultQueue, ...args: Parameters<FaultQueue['take']>): string[] =>
  queue.take(...args).map((fault) => fault.text);

describe('createFaultQueue', () => {
  it('strikes in the order written, each as often as said', () => {
    const queue = queueOf('submit:429*2; submit:500');
    const struck = [1, 2, 3, 4].map(() => texts(queue, 'submit').join());
    expect(struck).toEqual(['submit:429*2', 'submit:429*2', 'submit:500', '']);
  });

  it('lets the given number pass', () => {
    const queue = queueOf('poll:401(skip=2)');
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

  it('leaves the kinds for later alone', () => {
    const queue = queueOf('poll:word(queued)');
    expect(texts(queue, 'poll', {}, ['word'])).toEqual([]);
    expect(queue.pending()).toEqual(['poll:word(queued)']);
    expect(queue.takeKind('poll', 'word')?.options).toEqual({ word: 'queued' });
    expect(queue.pending()).toEqual([]);
  });
});
