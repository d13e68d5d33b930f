import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isEvolinkError } from '../../../../src/errors.ts';
import { FAULT_TABLE } from '../../../../src/sandbox/fault-table.ts';
import { parseFaults } from '../../../../src/sandbox/faults.ts';

describe('parseFaults', () => {
  it.each([
    [
      'submit:429*2(retry-after=1)',
      { point: 'submit', kind: 'status', status: 429, count: 2, options: { 'retry-after': '1' } },
    ],
    ['submit:429(retry-after=1)*2', { status: 429, count: 2 }],
    ['poll:500', { point: 'poll', status: 500, count: 1 }],
    ['link:cut@65536', { kind: 'cut', amount: 65_536, isModifier: true }],
    ['link:wrong-length@-5*', { amount: -5, count: Number.POSITIVE_INFINITY }],
    ['task:fail(content_policy_violation)', { options: { code: 'content_policy_violation' } }],
    ['task:fail(x,message=a; b)', { options: { code: 'x', message: 'a; b' } }],
    ['submit:reset(after,fin)', { kind: 'reset', options: { after: '', fin: '' } }],
    ['link:disposition(../../x)', { options: { name: '../../x' } }],
  ])('%s', (text, fault) => {
    expect(parseFaults(text)).toMatchObject([fault]);
  });

  it('reads several, with spaces, and none', () => {
    expect(parseFaults(' submit:429 ;; poll:500; ').map((fault) => fault.text)).toEqual([
      'submit:429',
      'poll:500',
    ]);
    expect(parseFaults('')).toEqual([]);
  });

  it('takes the same as data', () => {
    const data = [{ point: 'link', kind: 'cut', amount: 5, count: '*', options: { rst: '' } }] as const;
    expect(parseFaults(data)).toEqual(parseFaults('link:cut@5*(rst)'));
  });

  it.each([
    ['429', 'does not read as'],
    ['submit', 'does not read as'],
    ['submits:429', 'no such point "submits"', 'submit'],
    ['submit:restet', '"submit" has no fault "restet"', 'reset'],
    ['submit:200', '"submit" has no fault "200"'],
    ['task:429', '"task" has no fault "429"'],
    ['link:cut', 'it needs @N: bytes of this body'],
    ['task:word', 'it needs (word)'],
    ['submit:empty@5', '"empty" takes no @N'],
    ['submit:429*0', 'a count of 0 never strikes'],
    ['submit:reset(affter)', '"reset" has no option "affter"', 'after'],
    ['submit:429(retry-after=soon)', 'retry-after must be a whole number, not "soon"'],
    ['submit:429(form=yaml)', 'form must be one of'],
  ])('refuses %s', (text, message, suggestion = '') => {
    try {
      parseFaults(text);
    } catch (error) {
      if (!isEvolinkError(error)) throw error;
      expect(error.kind).toBe('usage');
      expect(error.message).toContain(message);
      expect(error.facts.details?.join() ?? '').toContain(
        suggestion === '' ? '' : `did you mean "${suggestion}"`,
      );
      return;
    }
    expect.unreachable(`${text} was taken`);
  });

  it('throws nothing but usage errors, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseFaults(text);
        } catch (error) {
          expect(isEvolinkError(error)).toBe(true);
        }
      }),
    );
  });
});

describe('the fault table', () => {
  it.each(FAULT_TABLE.map((row) => [row.kind, row]))('has an example that parses: %s', (_, row) => {
    const kinds = parseFaults(row.example).map((fault) => fault.kind);
    expect(kinds).toContain(row.kind);
  });

  it('has no kind twice at a point', () => {
    const keys = FAULT_TABLE.flatMap((row) => row.points.map((point) => `${point}:${row.kind}`));
    expect(new Set(keys).size).toBe(keys.length);
  });
});
