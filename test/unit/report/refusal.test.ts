import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { validateXML } from 'xmllint-wasm';
import { formatJsonReport, readReport } from '../../../src/report/document.ts';
import { formatHtmlReport } from '../../../src/report/gallery.ts';
import { formatAnnotations } from '../../../src/report/github.ts';
import { formatJunitReport } from '../../../src/report/junit.ts';
import { formatMarkdownReport } from '../../../src/report/markdown.ts';
import { mergeReports } from '../../../src/report/merge.ts';
import type { JobError } from '../../../src/report/run-report.ts';
import { HOSTILE_TEXTS, sampleJob, sampleRun } from '../../helpers/sample-run-report.ts';

const schema = readFileSync(new URL('../../fixtures/junit/junit.xsd', import.meta.url), 'utf8');
const refusal = (message: string): JobError => ({
  kind: 'credits',
  message,
  details: [message],
  hint: message,
  retryable: false,
  charged: 'no',
});
const refused = (message: string) =>
  sampleRun([sampleJob({ state: 'planned' })], { error: refusal(message) });
const place = { folder: '/work', label: 'r.json', nowMs: 0 };

describe('the report of a run that was refused as a whole', () => {
  it.each(HOSTILE_TEXTS)('holds the reason, whatever it says: %j', async (text) => {
    const report = refused(text);
    const xml = formatJunitReport(report, place);
    const { errors } = await validateXML({ xml: { fileName: 'j.xml', contents: xml }, schema: [schema] });
    expect(errors).toEqual([]);
    expect(xml).not.toContain('[[ATTACHMENT');
    expect(formatHtmlReport(report, place)).not.toMatch(/<img src=x|<script>globalThis/);
    expect(formatAnnotations(report, { cwd: '/work' }).match(/^::/gm)).toHaveLength(1);
    expect(formatMarkdownReport(report, place)).toContain('**refused** · nothing was sent');
    expect(readReport(formatJsonReport(report, place), place).error?.kind).toBe('credits');
  });

  it('counts as one case more', () => {
    const xml = formatJunitReport(refused('too dear'), place);
    expect(xml).toContain('<testsuites name="evolink run" tests="2" failures="1" errors="1"');
    expect(xml).toContain('<error message="too dear" type="credits">');
  });

  it('counts in a merged report until the same part runs again', () => {
    const shard = { index: 1, count: 1 };
    const first = { ...refused('too dear'), shard };
    const later = { ...sampleRun([sampleJob()]), shard, endedAtMs: first.endedAtMs + 1 };
    const other = { ...later, files: ['other.yaml'] };
    expect(mergeReports([first, other]).error?.message).toBe('too dear');
    expect(mergeReports([later, first]).error).toBeUndefined();
  });
});
