import { describe, expect, it } from 'vitest';
import { readCsvRows, readJsonRows, readYamlRows } from '../../../src/jobs/read-rows.ts';

const plain = (reading: ReturnType<typeof readCsvRows>) =>
  reading.rows.map(({ values }) => Object.fromEntries(values));

describe('rows of a CSV file', () => {
  it('reads quotes, commas, line breaks, empty lines, a byte order mark and CRLF', () => {
    const text = '\uFEFFsku,name\r\na1,"A frog, green"\r\n\r\nb2,"two\nlines ""quoted"""\r\n';
    const reading = readCsvRows(text, 'p.csv');
    expect(reading.problems).toEqual([]);
    expect(plain(reading)).toEqual([
      { sku: 'a1', name: 'A frog, green' },
      { sku: 'b2', name: 'two\nlines "quoted"' },
    ]);
    expect(reading.rows[0]?.place()).toBe('p.csv:2');
  });

  it.each([
    ['a row with more columns', 'a,b\n1,2\n1,2,3\n', 'p.csv:3', 'another number of columns'],
    ['an open quote', 'a,b\n1,"2\n', 'p.csv', 'never closed'],
    ['a column twice', 'a,a\n1,2\n', 'column 2 (p.csv:1)', 'twice'],
    ['a column without a name', 'a,\n1,2\n', 'column 2 (p.csv:1)', 'no name'],
    ['a column named __proto__', 'a,__proto__\n1,2\n', 'column 2 (p.csv:1)', 'not allowed'],
  ])('refuses %s', (_name, text, source, message) => {
    const { problems } = readCsvRows(text, 'p.csv');
    expect(problems[0]?.source).toContain(source);
    expect(problems[0]?.message).toContain(message);
  });
});

describe('rows of JSON and YAML files', () => {
  it('reads lists of objects', () => {
    expect(plain(readJsonRows('[{"a":1},{"a":{"b":2}}]', 'p.json'))).toEqual([{ a: 1 }, { a: { b: 2 } }]);
    const yaml = readYamlRows('- a: 1\n- a: 2\n', 'p.yaml');
    expect(plain(yaml)).toEqual([{ a: 1 }, { a: 2 }]);
    expect(yaml.rows[1]?.place()).toBe('p.yaml:2:3');
  });

  it.each([
    ['no list', '{"a":1}', 'p.json'],
    ['a row that is text', '[{"a":1},"b"]', 'row 2 of p.json'],
    ['a key that reaches into prototypes', '[{"__proto__":1}]', 'row 1 of p.json'],
    ['broken JSON, with its line', '[{"a":1},\n{"a":}', 'p.json:2'],
    ['nothing', '[]', 'p.json'],
  ])('refuses %s', (_name, text, source) => {
    const { rows, problems } = readJsonRows(text, 'p.json');
    expect(problems.length).toBeGreaterThan(0);
    if (!source.startsWith('p.json:')) expect(problems[0]?.source).toBe(source);
    else expect(problems.map((problem) => problem.source).join()).toContain('p.json:');
    expect(rows.length).toBeLessThan(2);
  });
});
