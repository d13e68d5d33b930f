import { readdirSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixture, mediaFolder } from '../../helpers/media-fixtures.ts';
import { FIXTURES, review } from './fixture-table.ts';

describe('the table of fixtures', () => {
  it('names every file, and they are small', () => {
    const names = readdirSync(mediaFolder);
    expect([...new Set(FIXTURES.map(({ name }) => name))].sort()).toEqual(names.sort());
    expect(names.length).toBeGreaterThan(100);
    const sizeBytes = names.reduce((sum, name) => sum + statSync(fixture(name)).size, 0);
    expect(sizeBytes).toBeLessThan(3 * 1024 * 1024);
  });

  it.each(FIXTURES)('$name as $kind: $verdict', async ({ name, kind, verdict }) => {
    const { problems, remarks } = await review(fixture(name), kind);
    const found =
      problems.length > 0 ? problems.map(({ rule }) => rule) : remarks.length > 0 ? 'remark' : 'ok';
    expect(found).toEqual(verdict);
  });
});
