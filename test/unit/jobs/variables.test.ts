import { describe, expect, it } from 'vitest';
import { JobFiller } from '../../../src/run/variables.ts';

function fill(text: string, values: Record<string, unknown>, toText?: () => string) {
  const filler = new JobFiller(values, (keyPath) => ({ source: keyPath.join('.') }));
  return { value: filler.fill(text, ['prompt'], toText), problems: filler.problems };
}

/** Each value is twice the next. */
const DOUBLING = Object.fromEntries(
  Array.from({ length: 30 }, (_, at) => ['a'.repeat(at + 1), `{{${'a'.repeat(at + 2)}}}`.repeat(2)]),
);

describe('variables', () => {
  it.each([
    ['{{name}} on a table', { name: 'a frog' }, 'a frog on a table'],
    ['{{ name }}', { name: 'a frog' }, 'a frog'],
    ['{{seconds}}', { seconds: 8 }, 8],
    ['{{seconds}} s', { seconds: 8 }, '8 s'],
    ['{{row.size.cm}} cm', { row: { size: { cm: 3 } } }, '3 cm'],
    ['{{a.b}}', { 'a.b': 'whole name' }, 'whole name'],
    ['{{이름}}', { 이름: '개구리' }, '개구리'],
    ['{{a}}{{b}}', { a: '{{b}}', b: 'x' }, 'xx'],
    ['{{list}}', { list: ['{{b}}.png', 1], b: 'x' }, ['x.png', 1]],
    ['{job}', {}, '{job}'],
    ['{{none}}', { none: null }, null],
    ['a{{none}}b', { none: null }, 'ab'],
  ])('%s', (text, values, wanted) => {
    expect(fill(text, values)).toEqual({ value: wanted, problems: [] });
  });

  it.each([
    ['{{nam}}', '{{name}}'],
    ['a {{colour}} b', '{{color}}'],
    ['{{}}', undefined],
    ['{{constructor}}', undefined],
    ['{{row.__proto__}}', undefined],
    ['{{row.toString}}', undefined],
  ])('knows no %s', (text, suggestion) => {
    const { problems } = fill(text, { name: 1, color: 2, row: {} });
    expect(problems.map((problem) => problem.suggestion)).toEqual([suggestion]);
  });

  it.each([
    ['A {{b', {}, '"A {{b": has a {{ that is never closed by }}, or braces inside'],
    ['{{ {x} }}', {}, '"{{ {x} }}": has a {{ that is never closed by }}, or braces inside'],
    ['{{a}}', { a: '{{b}}', b: '{{a}}' }, '"{{a}} uses {{b}} uses {{a}}": goes round in a circle'],
    ['{{a}}', { a: '{{c}}' }, '"{{a}} uses {{c}}": is not a variable here'],
    ['{{a}}', DOUBLING, '"{{a}} uses {{aa}}'],
  ])('refuses %s of %j', (text, values, says) => {
    const [problem] = fill(text, values).problems;
    expect(`"${problem?.value}": ${problem?.message}`).toContain(says);
  });

  it('writes values as told, also where the text is nothing else', () => {
    expect(fill('{{path}}', { path: '../x' }, () => 'safe').value).toBe('safe');
  });
});
