import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { EvolinkError } from '../../../src/errors.ts';
import {
  formatJsonReport,
  readReport,
  reportJsonSchema,
  toReportDocument,
} from '../../../src/report/document.ts';
import {
  failedJob,
  hostileRun,
  SAMPLE_FOLDER,
  sampleJob,
  sampleRun,
} from '../../helpers/sample-run-report.ts';

const place = { folder: SAMPLE_FOLDER };
const source = { label: 'run.json', folder: SAMPLE_FOLDER };

function schemaCheck() {
  return new Ajv2020({ strict: false, formats: { 'date-time': true } }).compile(reportJsonSchema());
}

describe('formatJsonReport', () => {
  it('has every key in snake_case, null for what is not known', () => {
    const { jobs, ...head } = toReportDocument(sampleRun([sampleJob()], { balance: undefined }), place);
    expect(head).toMatchObject({
      schema_version: 1,
      kind: 'evolink.run-report',
      started_at: '2026-11-21T09:00:00.000Z',
      balance: null,
      shard: null,
      totals: { planned: 1, saved: 1, up_to_date: 0 },
    });
    expect(jobs[0]).toMatchObject({
      relative_path: 'out/hero 16:9.mp4',
      path: '/work/clips/out/hero 16:9.mp4',
      error: null,
      media: { width_px: 1280 },
    });
    expect(JSON.stringify(head)).not.toMatch(/"[a-z]+[A-Z]\w*":/);
  });

  it.each([
    [
      'a usual run',
      sampleRun([sampleJob(), failedJob()], { shard: { index: 2, count: 3 }, isStopped: true }),
    ],
    ['hostile texts', hostileRun()],
    ['no jobs', sampleRun([])],
  ])('is read back as the same run: %s', (_name, run) => {
    const text = formatJsonReport(run, place);
    expect(schemaCheck()(JSON.parse(text))).toBe(true);
    expect(readReport(text, source)).toEqual(run);
  });

  it('leaves nothing bare that hides or reorders text', () => {
    const text = formatJsonReport(hostileRun(), place);
    expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  });

  it('hides the queries of addresses', () => {
    const request = {
      model: 'm',
      prompt: 'p',
      image_urls: ['https://user:pass@host.example/a.png?X-Signature=secret#secret'],
      duration: 5,
      quality: '720p',
      aspect_ratio: '16:9',
      generate_audio: true,
      content_filter: true,
      callback_url: 'https://hooks.example/x?token=secret',
    };
    const text = formatJsonReport(sampleRun([sampleJob({ request })]), place);
    expect(text).not.toMatch(/secret|pass@/);
    expect(text).toContain('https://***@host.example/a.png?***');
    expect(schemaCheck()(JSON.parse(text))).toBe(true);
  });

  it('finds clips that moved together with the report', () => {
    const text = formatJsonReport(sampleRun([sampleJob()]), place);
    const [job] = readReport(text, { label: 'x', folder: '/elsewhere' }).jobs;
    expect(job?.outputPath).toBe('/elsewhere/out/hero 16:9.mp4');
  });
});

describe('readReport', () => {
  const good = JSON.parse(formatJsonReport(sampleRun([sampleJob()]), place));
  it.each([
    ['no JSON', '{', 'it is not valid JSON'],
    ['null', 'null', '"kind" must be'],
    ['another document', '{"schema_version":1,"ok":true}', '"kind" must be'],
    ['another version', JSON.stringify({ ...good, schema_version: 2 }), 'its form is not the expected one'],
    ['a wrong state', JSON.stringify({ ...good, jobs: [{ ...good.jobs[0], state: 'x' }] }), 'its form'],
  ])('refuses %s', (_name, text, reason) => {
    const read = () => readReport(text, source);
    expect(read).toThrow(EvolinkError);
    expect(read).toThrow(`"run.json" is no JSON report of a run: ${reason}`);
  });

  it('ignores keys that it does not know', () => {
    expect(readReport(JSON.stringify({ ...good, later: 1 }), source).jobs).toHaveLength(1);
  });
});
