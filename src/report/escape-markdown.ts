import { sanitizeServerText } from '../platform/server-text.ts';

const MAX_LENGTH = 2000;
const ZERO_WIDTH_SPACE = '&#8203;';

/**
 * Any text as a part of one line of GitHub-flavoured Markdown (a cell, a heading): shown as it is, and never a table cell, a tag, a link, an image, a
 * formula, a mention or a workflow command. Control, bidirectional and invisible characters are left out.
 */
export function escapeMarkdown(text: string, maxLength = MAX_LENGTH): string {
  return (
    sanitizeServerText(text, { maxLength })
      .replace(/[&<>]/g, (char) => ENTITIES[char] ?? '')
      .replace(/[\\`*_[\]#|~$]/g, '\\$&')
      // Addresses and names become links on GitHub even in plain text: https:, www., @name, name@host.
      .replace(/:(?=\/\/)/g, '&#58;')
      .replace(/\b(www)\./gi, `$1${ZERO_WIDTH_SPACE}.`)
      .replace(/@/g, `@${ZERO_WIDTH_SPACE}`)
      .replace(/::/g, ':&#58;')
      .replace(/:(?=\w+:)/g, '&#58;')
  );
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
