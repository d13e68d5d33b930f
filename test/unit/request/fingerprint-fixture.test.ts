import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { draftFromBody } from '../../../src/request/draft.ts';
import { fingerprint, toWireBody } from '../../../src/request/fingerprint.ts';
import { resolveRequest } from '../../../src/request/resolve.ts';

interface Row {
  readonly body: { readonly prompt: string };
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
      const { draft, problems } = draftFromBody(row.body);
      expect(problems).toEqual([]);
      if (draft === undefined) throw new Error('no draft');
      const { request } = resolveRequest(draft, { allowLocalMedia: true });
      if (request === undefined) throw new Error('refused');
      const wire = toWireBody(request);
      // The order of the keys too: bodies are compared as text.
      expect(JSON.stringify(wire)).toBe(JSON.stringify(row.wire));
      expect(fingerprint(wire, new Map(Object.entries(row.hashes)))).toBe(row.fingerprint);
    },
  );
});
