import { expect, it } from 'vitest';
import { renderPage } from '../../../src/cli/topics.ts';

it.each([1, 6, 200])('a page has all its words on %i columns', async (width) => {
  const words = (await renderPage('exit-codes', width)).split(/\s+/);
  expect(words).toEqual(expect.arrayContaining(['EXIT', 'CODES', 'resume']));
});
