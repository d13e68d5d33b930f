import { describe, expect, it } from 'vitest';
import { JobFiller } from '../../../src/run/variables.ts';

function fill(text: unknown, values: Record<string, unknown>, toText?: () => string) {
  const filler = new JobFiller(values, (keyPath) => ({ source: keyPath.join('.') }));
  return { value: filler.fill(text, ['prompt'], toText), problems: filler.problems };
}

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
    ['texts', '{{x}}'.repeat(1000), { x: 'a'.repeat(1e6) }],
    ['lists', '{{l}}.'.repeat(10_000), { l: Array(100_000).fill('hello') }],
    ['lists of lists', 'a {{m}}', { m: Array(400).fill('{{l}}'), l: Array(400).fill('{{x}}'), x: 'ha' }],
    ['empty texts', 'a {{m}}', { m: Array(2000).fill('{{l}}'), l: ['{{x}}', ...Array(1e5).fill('')], x: '' }],
    ['long keys', 'a {{m}}', { m: Array(2000).fill('{{l}}'), l: { ['k'.repeat(1e5)]: '{{x}}' }, x: '' }],
    ['values of a list', Array(50_000).fill('{{l}}'), { l: Array(1000).fill('{{x}}'), x: 'ha' }],
  ])('bounds %s that multiply, and says so once', (_what, value, values) => {
    const filled = fill(value, values);
    expect(filled.value).toBeUndefined();
    expect(filled.problems.map(({ message }) => message)).toEqual([
      'is longer than 200000 characters with its variables filled in',
    ]);
  });

  it('counts what is in a variable once, however deep it is', () => {
    const x = 'a'.repeat(200_000);
    expect(fill('{{a}}', { a: '{{b}}', b: '{{x}}', x })).toEqual({ value: x, problems: [] });
    expect(fill('{{x}}', { x: `${x}a` }).problems).toHaveLength(1);
  });

  it('reports no more problems than anybody reads', () => {
    expect(fill('{{nope}}'.repeat(100_000), {}).problems).toHaveLength(100);
    expect(fill(Array(100_000).fill('{{'), {}).problems).toHaveLength(100);
  });

  it('writes values as told, also where the text is nothing else', () => {
    expect(fill('{{path}}', { path: '../x' }, () => 'safe').value).toBe('safe');
  });
});
