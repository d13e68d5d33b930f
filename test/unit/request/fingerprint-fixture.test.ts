import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readDraft } from '../../../src/request/draft.ts';
import { fingerprint } from '../../../src/request/fingerprint.ts';
import type { JobObject } from '../../../src/request/problems.ts';
import { resolveRequest } from '../../../src/request/resolve.ts';

interface Row {
  readonly body: JobObject & { readonly prompt: string };
  readonly hashes: Readonly<Record<string, string>>;
  readonly wire: object;
  readonly fingerprint: string;
}

/** Written by version 0.1.0: its records and sidecars know requests by these fingerprints. */
const ROWS: readonly Row[] = JSON.parse(
  readFileSync(new URL('../../fixtures/requests/fingerprints-0.1.0.json', import.meta.url), 'utf8'),
);

describe('the fingerprints of version 0.1.0', () => {
  it.each(ROWS.map((row, index) => [index, row.body.prompt, row] as const))(
    '%i: %s',
    (_index, _prompt, row) => {
      const { draft, problems } = readDraft({ value: row.body, locate: () => ({ source: 'body' }) });
      expect(problems).toEqual([]);
      if (draft === undefined) throw new Error('no draft');
      const { request } = resolveRequest(draft, { folder: '/' });
      if (request === undefined) throw new Error('refused');
      const wire = request.body;
      // The order of the keys too: bodies are compared as text.
      expect(JSON.stringify(wire)).toBe(JSON.stringify(row.wire));
      expect(fingerprint(wire, new Map(Object.entries(row.hashes)))).toBe(row.fingerprint);
    },
  );
});
