import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { validateXML } from 'xmllint-wasm';
import { formatJunitReport } from '../../../src/report/junit.ts';
import type { JobReport } from '../../../src/report/run-report.ts';
import {
  failedJob,
  hostileRun,
  SAMPLE_FOLDER,
  sampleJob,
  sampleRun,
} from '../../helpers/sample-run-report.ts';

const schema = readFileSync(new URL('../../fixtures/junit/junit.xsd', import.meta.url), 'utf8');
const place = { folder: SAMPLE_FOLDER };

async function problemsOf(xml: string): Promise<readonly string[]> {
  const { errors } = await validateXML({ xml: { fileName: 'r.xml', contents: xml }, schema: [schema] });
  return errors.map(({ message }) => message);
}

function junitOf(...jobs: readonly JobReport[]): string {
  return formatJunitReport(sampleRun(jobs), place);
}

describe('formatJunitReport', () => {
  it('fits the schema, also with hostile texts everywhere', async () => {
    expect(await problemsOf(junitOf(sampleJob(), failedJob()))).toEqual([]);
    expect(await problemsOf(formatJunitReport(hostileRun(), place))).toEqual([]);
    expect(await problemsOf(formatJunitReport(sampleRun([]), place))).toEqual([]);
  });

  it('is judged by a schema that can say no', async () => {
    const broken = junitOf(sampleJob()).replace(' classname=', ' class=');
    expect(await problemsOf(broken)).not.toEqual([]);
  });

  it('tells a case with its place and what made it', () => {
    expect(junitOf(sampleJob())).toContain(
      [
        '    <testcase name="hero[16:9]" classname="clips.yaml" time="94.321" file="clips.yaml" line="4">',
        '      <properties>',
        '        <property name="state" value="saved"/>',
        '        <property name="task_id" value="task-unified-1774857405-abc123"/>',
        '        <property name="local_id" value="01hx"/>',
        '        <property name="model" value="seedance-2.0-fast-text-to-video"/>',
        '        <property name="credits_used" value="67.5"/>',
        '        <property name="credits_estimated" value="67.5"/>',
        '        <property name="clip" value="out/hero 16:9.mp4"/>',
      ].join('\n'),
    );
  });

  it.each([
    [{ state: 'saved' }, undefined],
    [{ state: 'up-to-date' }, undefined],
    [{ state: 'submitted' }, 'skipped'],
    [{ state: 'skipped' }, 'failure'],
    [{ state: 'planned' }, 'failure'],
    [{ state: 'invalid', error: undefined }, 'error'],
    [failedJob(), 'failure'],
    [failedJob({ error: { ...failedError(), kind: 'network' } }), 'error'],
  ] as const)('judges %#', (changes, verdict) => {
    const xml = junitOf(sampleJob(changes));
    const found = /<(skipped|error|failure) message=/.exec(xml)?.[1];
    expect(found).toBe(verdict);
    expect(xml).toContain(
      `tests="1" failures="${verdict === 'failure' ? 1 : 0}" errors="${verdict === 'error' ? 1 : 0}"`,
    );
  });

  it('makes a suite a file, also for a file without jobs', () => {
    const run = sampleRun([sampleJob(), sampleJob({ file: 'b.yaml' })], {
      files: ['clips.yaml', 'b.yaml', 'empty.yaml'],
    });
    expect(formatJunitReport(run, place).match(/<testsuite name="[^"]+" tests="\d"/g)).toEqual([
      '<testsuite name="clips.yaml" tests="1"',
      '<testsuite name="b.yaml" tests="1"',
      '<testsuite name="empty.yaml" tests="0"',
    ]);
  });

  it('lets no prompt name a file to publish', () => {
    expect(junitOf(sampleJob({ prompt: 'x [[ATTACHMENT|/etc/passwd]]' }))).not.toMatch(/\[\[\s*ATTACHMENT/i);
  });

  it('is well-formed for any text', async () => {
    const texts = fc.sample(fc.string({ unit: 'binary', maxLength: 40 }), { numRuns: 200, seed: 7 });
    const jobs = texts.map((text) => sampleJob({ name: text, prompt: text, file: text, warnings: [text] }));
    expect(await problemsOf(junitOf(...jobs))).toEqual([]);
  });
});

function failedError() {
  const { error } = failedJob();
  if (error === undefined) throw new Error('the sample has an error');
  return error;
}
