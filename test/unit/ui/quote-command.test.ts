import { expect, test } from 'vitest';
import { quoteCommand } from '../../../src/platform/command-text.ts';

test.each([
  [['evolink', 'download', 'task-unified-1'], 'evolink download task-unified-1'],
  [['-o', 'my clips/a.mp4'], "-o 'my clips/a.mp4'"],
  [["it's"], "'it'\\''s'"],
  [['$(rm -rf ~)'], "'$(rm -rf ~)'"],
  [['', '~', '=ls', 'a=b', '개구리'], "'' '~' '=ls' a=b '개구리'"],
])('%o', (words, line) => expect(quoteCommand(words)).toBe(line));
