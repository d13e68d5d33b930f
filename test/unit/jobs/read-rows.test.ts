import { describe, expect, it } from 'vitest';
import { readCsvRows, readListRows } from '../../../src/run/rows.ts';

describe('rows of a CSV file', () => {
  it.each([
    [
      '\uFEFFa,b\r\na1,"A frog, green"\r\n\r\nb2,"two\nlines ""quoted"""\r\n',
      'A frog, green',
      'two\nlines "quoted"',
      4,
    ],
    ['a;b\na1;"x;y, z"\nb2;q\n', 'x;y, z', 'q', 3],
    ['a\tb\na1\t"x\ty, z"\nb2\tq\n', 'x\ty, z', 'q', 3],
    ['a,b\r\n"1\r\n""one"", still",  2 \r\n\r\n4,"6"\n', '2', '6', 5],
  ])('reads %j, and knows the line of each', (text, first, second, line) => {
    const { rows, problems, placeOf } = readCsvRows(text, 'p.csv');
    expect([problems, rows.map(({ b }) => b)]).toEqual([[], [first, second]]);
    expect([placeOf(0, 'b'), placeOf(1, 'b')]).toEqual(['p.csv:2', `p.csv:${line}`]);
  });

  it.each([
    ['a row with more columns', 'a,b\n1,2\n1,2,3\n', 'p.csv:3', 'another number of columns'],
    ['a row with fewer columns', 'a,b\n1,2\n\n1\n', 'p.csv:4', 'another number of columns'],
    ['a quote inside of a value', 'a,b\n1,x"y\n', 'p.csv:2', 'middle of a value'],
    ['text after a quote', 'a,b\n1,"x" y\n', 'p.csv:2', 'middle of a value'],
    ['an open quote', 'a,b\n1,"2\n', 'p.csv:2', 'never closed'],
    ['a column twice', 'a,a\n1,2\n', 'p.csv:1', 'twice'],
    ['a column without a name', 'a,\n1,2\n', 'p.csv:1', 'without a name'],
    ['a column named __proto__', 'a,__proto__\n1,2\n', 'p.csv:1', 'not allowed'],
  ])('refuses %s', (_name, text, source, message) => {
    const { problems } = readCsvRows(text, 'p.csv');
    expect(problems[0]?.source).toBe(source);
    expect(problems[0]?.message).toContain(message);
  });
});

describe('rows of JSON and YAML files', () => {
  it('reads lists of objects', () => {
    expect(readListRows('[{"a":1},{"a":{"b":2}}]', 'p.json').rows).toEqual([{ a: 1 }, { a: { b: 2 } }]);
    const yaml = readListRows('- a: 1\n- a: 2\n', 'p.yaml');
    expect(yaml.rows).toEqual([{ a: 1 }, { a: 2 }]);
    expect(yaml.placeOf(1, 'a')).toBe('[1].a (p.yaml:2:6)');
    const { placeOf } = readListRows('[\n  {"a": 1},\n  {"a": 2,\n   "b": {"c": 3}}\n]', 'p.json');
    expect(placeOf(1, 'b')).toBe('[1].b (p.json:4:9)');
    expect(placeOf(1, 'none')).toBe('[1].none (p.json:3:3)');
  });

  it.each([
    ['no list', '{"a":1}', 'p.json:1:1'],
    ['a row that is text', '[{"a":1},"b"]', '[1] (p.json:1:10)'],
    ['a key that reaches into prototypes', '[{"a":1},\n {"__proto__":1}]', '[1] (p.json:2:2)'],
    ['a row that is nested too deep', `[{"a":${'['.repeat(99)}${']'.repeat(99)}}]`, '[0] (p.json)'],
    ['a row of more than 1 MB', `[{"a":"${'x'.repeat(1_000_001)}"}]`, '[0] (p.json:1:2)'],
    ['broken JSON, with its line', '[{"a":1},\n{"a":}', 'p.json:2:7'],
    ['nothing', '[]', 'p.json:1:1'],
  ])('refuses %s', (_name, text, source) => {
    const { rows, problems } = readListRows(text, 'p.json');
    expect(problems.length).toBeGreaterThan(0);
    expect(problems[0]?.source).toBe(source);
    expect(rows.length).toBeLessThan(2);
  });
});
