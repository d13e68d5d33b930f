import { describe, expect, it } from 'vitest';
import { JobFiller } from '../../../src/run/variables.ts';

function fill(text: string, values: Record<string, unknown>, toText?: () => string) {
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

  it('writes values as told, also where the text is nothing else', () => {
    expect(fill('{{path}}', { path: '../x' }, () => 'safe').value).toBe('safe');
  });
});
