import { describe, expect, it } from 'vitest';
import { fillVariables, type Variable } from '../../../src/run/variables.ts';

function variables(values: Record<string, unknown>): Map<string, Variable> {
  return new Map(Object.entries(values).map(([name, value]) => [name, { value, place: () => name }]));
}

describe('fillVariables', () => {
  it.each([
    ['{{name}} on a table', { name: 'a frog' }, 'a frog on a table'],
    ['{{ name }}', { name: 'a frog' }, 'a frog'],
    ['{{seconds}}', { seconds: 8 }, 8],
    ['{{seconds}} s', { seconds: 8 }, '8 s'],
    ['{{row.size.cm}} cm', { row: { size: { cm: 3 } } }, '3 cm'],
    ['{{a.b}}', { 'a.b': 'whole name' }, 'whole name'],
    ['{{이름}}', { 이름: '개구리' }, '개구리'],
    ['{{a}}{{b}}', { a: '{{b}}', b: 'x' }, '{{b}}x'],
    ['{job}', {}, '{job}'],
    ['{{none}}', { none: null }, null],
    ['a{{none}}b', { none: null }, 'ab'],
  ])('%s', (text, values, wanted) => {
    const filled = fillVariables(text, variables(values));
    expect(filled.value).toEqual(wanted);
    expect(filled.unknown).toEqual([]);
  });

  it.each([
    ['{{nam}}', 'name'],
    ['a {{colour}} b', 'color'],
    ['{{}}', undefined],
    ['{{constructor}}', undefined],
    ['{{row.__proto__}}', undefined],
    ['{{row.toString}}', undefined],
  ])('knows no %s', (text, suggestion) => {
    const filled = fillVariables(text, variables({ name: 1, color: 2, row: {} }));
    expect(filled.unknown).toHaveLength(1);
    expect(filled.unknown[0]?.suggestion).toBe(suggestion);
  });

  it('writes values as told, also where the text is nothing else', () => {
    const filled = fillVariables('{{path}}', variables({ path: '../x' }), () => 'safe');
    expect(filled.value).toBe('safe');
  });
});
