import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { validateXML } from 'xmllint-wasm';
import { EvolinkError } from '../../../src/errors.ts';
import { savedClip } from '../../../src/report/facts.ts';
import { formatHtmlReport } from '../../../src/report/gallery.ts';
import { formatAnnotations } from '../../../src/report/github.ts';
import { formatJunitReport } from '../../../src/report/junit.ts';
import { escapeMarkdown, formatMarkdownReport } from '../../../src/report/markdown.ts';
import {
  formatJsonReport,
  type JobReport,
  type RunReport,
  readReport,
  reportJsonSchema,
} from '../../../src/report/run-report.ts';
import {
  failedJob,
  HOSTILE_TEXTS,
  hostileRun,
  SAMPLE_FOLDER,
  sampleError,
  sampleJob,
  sampleRun,
} from '../../helpers/sample-run-report.ts';

const place = { folder: SAMPLE_FOLDER, nowMs: Date.UTC(2026, 10, 21) };
const source = ['run.json', SAMPLE_FOLDER] as const;
const junitSchema = readFileSync(new URL('../../fixtures/junit/junit.xsd', import.meta.url), 'utf8');
const isReport = new Ajv2020({ strict: false, formats: { 'date-time': true } }).compile(reportJsonSchema());
const both = sampleRun([sampleJob(), failedJob()]);
async function xmlProblems(xml: string): Promise<readonly string[]> {
  const { errors } = await validateXML({ xml: { fileName: 'r.xml', contents: xml }, schema: [junitSchema] });
  return errors.map(({ message }) => message);
}

const junitOf = (...jobs: readonly JobReport[]): string => formatJunitReport(sampleRun(jobs), place);

describe('JSON', () => {
  it.each<[string, RunReport]>([
    ['a usual run', { ...both, shard: { index: 2, count: 3 }, stopped: true }],
    ['hostile texts', hostileRun()],
    ['no jobs', sampleRun([])],
  ])('fits its schema and is read back as the same run: %s', (_name, run) => {
    const text = formatJsonReport(run, place);
    expect(isReport(JSON.parse(text))).toBe(true);
    expect(readReport(text, ...source)).toEqual(run);
    expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  });

  it('shows no query and no user of an address in a variable', () => {
    const address = 'https://user:pw@example.com/a.png';
    const job = sampleJob({ variables: { one: `${address}?sig=1`, more: [{ url: `${address}?sig=2#x` }] } });
    const [{ variables }] = JSON.parse(formatJsonReport(sampleRun([job]), place)).jobs;
    const shown = 'https://***@example.com/a.png?***';
    expect(variables).toEqual({ one: shown, more: [{ url: shown }] });
  });

  const good = JSON.parse(formatJsonReport(sampleRun([sampleJob()]), place));
  it.each([
    ['no JSON', '{', 'it is not valid JSON'],
    ['null', 'null', '"kind" must be'],
    ['another document', '{"schema_version":1,"ok":true}', '"kind" must be'],
    ['another version', JSON.stringify({ ...good, schema_version: 3 }), 'its form is not the expected one'],
    [
      'an odd state',
      '{"schema_version":1,"kind":"evolink.run-report","jobs":[{"state":{"toString":1}}]}',
      'its form',
    ],
    ['shards without end', JSON.stringify({ ...good, shard: { index: 1, count: 1001 } }), 'its form'],
    ['a wrong state', JSON.stringify({ ...good, jobs: [{ ...good.jobs[0], state: 'x' }] }), 'its form'],
  ])('refuses %s', (_name, text, reason) => {
    const read = () => readReport(text, ...source);
    expect(read).toThrow(EvolinkError);
    expect(read).toThrow(`"run.json" is not a JSON report of a run: ${reason}`);
  });

  it('reads the words of version 1, and ignores keys that it does not know', () => {
    const old = (state: string, action: string) => ({ ...good.jobs[0], state, action });
    const jobs = [old('up-to-date', 'up-to-date'), old('submitted', 'attached'), old('skipped', 'forced')];
    const report = readReport(
      JSON.stringify({ ...good, schema_version: 1, totals: {}, jobs, later: 1 }),
      ...source,
    );
    expect(report.jobs.map(({ state, action }) => [state, action])).toEqual([
      ['up_to_date', 'up_to_date'],
      ['running', 'resume'],
      ['not_sent', 'changed'],
    ]);
    expect(report.totals).toMatchObject({ planned: 3, up_to_date: 1, running: 1, not_sent: 1, resume: 1 });
  });
});

describe('JUnit', () => {
  it('fits the schema, also with hostile texts everywhere', async () => {
    for (const run of [both, hostileRun(), sampleRun([])])
      expect(await xmlProblems(formatJunitReport(run, place))).toEqual([]);
    const broken = junitOf(sampleJob()).replace(' classname=', ' class=');
    expect(await xmlProblems(broken)).not.toEqual([]);
    const texts = fc.sample(fc.string({ unit: 'binary', maxLength: 40 }), { numRuns: 200, seed: 7 });
    const jobs = texts.map((text) => sampleJob({ name: text, prompt: text, file: text, warnings: [text] }));
    expect(await xmlProblems(junitOf(...jobs))).toEqual([]);
  });

  it.each<[Partial<JobReport>, string | undefined]>([
    [{ state: 'saved' }, undefined],
    [{ state: 'up_to_date' }, undefined],
    [{ state: 'running' }, 'skipped'],
    [{ state: 'not_sent' }, 'failure'],
    [{ state: 'invalid' }, 'error'],
    [failedJob(), 'failure'],
    [failedJob({ error: sampleError({ code: 'network' }) }), 'error'],
    [failedJob({ state: 'uncertain', error: sampleError({ code: 'unknown' }) }), 'error'],
  ])('judges %#', (changes, verdict) => {
    const xml = junitOf(sampleJob(changes));
    expect(/<(skipped|error|failure) message=/.exec(xml)?.[1]).toBe(verdict);
    expect(xml).toContain(
      `tests="1" failures="${verdict === 'failure' ? 1 : 0}" errors="${verdict === 'error' ? 1 : 0}"`,
    );
  });

  it('says in its output what a case came to: task, clip, prompt', () => {
    expect(junitOf(sampleJob({ warnings: ['w'] }))).toContain(
      `<system-out>saved, 1.2 MiB, 67.5 credits
text to video · fast · 8 s · 720p · 16:9 · audio
task: task-unified-1774857405-abc123
out/hero 16:9.mp4
prompt: A macro lens focuses on a green glass frog on a leaf
warning: w</system-out>`,
    );
    expect(junitOf(failedJob({ task_id: null }))).not.toMatch(/task:|\.mp4/);
  });

  it('makes a suite a file, also for a file without jobs, and names a case with its place', () => {
    const files = ['clips.yaml', 'b.yaml', 'empty.yaml'];
    const xml = formatJunitReport(sampleRun([sampleJob(), sampleJob({ file: 'b.yaml' })], { files }), place);
    const suites = [...xml.matchAll(/<testsuite name="([^"]*)" tests="(\d)"/g)];
    expect(suites.map(([, name, tests]) => `${name} ${tests}`)).toEqual([
      'clips.yaml 1',
      'b.yaml 1',
      'empty.yaml 0',
    ]);
    expect(xml).toContain(
      '<testcase name="hero[16:9]" classname="clips.yaml" time="94.321" file="clips.yaml" line="4">',
    );
  });
});

describe('Markdown', () => {
  it.each([
    ['a | b', 'a \\| b'],
    ['a\nb\r\nc', 'a b c'],
    ['<b>&amp;', '&lt;b&gt;&amp;amp;'],
    ['@octocat', '@&#8203;octocat'],
    ['::error::x', ': &#58;error:&#58;x'],
    ['[x](y)', '\\[x\\](y)'],
    ['`x` *y* _z_ $w$', '\\`x\\` \\*y\\* \\_z\\_ \\$w\\$'],
    ['https://x.example www.x.example', 'https&#58;//x.example www&#8203;.x.example'],
    ['\u202eabc\u0007', 'abc'],
    ['16:9, 한국어', '16:9, 한국어'],
  ])('writes %j', (text, escaped) => {
    expect(escapeMarkdown(text)).toBe(escaped);
  });

  it('leaves nothing that has a meaning', () => {
    for (const text of HOSTILE_TEXTS)
      expect(escapeMarkdown(text)).not.toMatch(
        /[<>\n\p{Bidi_Control}]|(?<!\\)[|`*_[\]~$]|@(?!&#8203;)|::|:\/\/|##\[/u,
      );
  });

  it('sums up, says what failed and why, and lists every job', () => {
    const lines = formatMarkdownReport(both, place).split('\n');
    expect(lines.slice(0, 7)).toEqual([
      ...['## clips.yaml', '', 'took 12 min 30 s', ''],
      ...['| jobs | saved | failed | credits |', '| --: | --: | --: | --: |', '| 2 | 1 | 1 | 67.5 |'],
    ]);
    const made =
      'A macro lens focuses on a green glass frog on a leaf | text to video · fast · 8 s · 720p · 16:9 · audio';
    for (const line of [
      '| product<br>clips.yaml:12 | the service refused the content (content\\_policy\\_violation)<br>the prompt names a person<br>next: change the prompt, then run it again<br>nothing was charged |',
      `| [hero\\[16:9\\]](out/hero%2016%3A9.mp4) | ✅ saved | ${made} | 67.5 credits |  |`,
      `| product | ❌ failed | ${made} |  |  |`,
    ])
      expect(lines).toContain(line);
  });

  it('keeps one line a row with hostile texts, and ends no link early', () => {
    const lines = formatMarkdownReport(hostileRun(), {}).split('\n');
    const rows = lines.filter((line) => line.startsWith('|'));
    expect(new Set(rows.map((row) => row.match(/(?<!\\)\|/g)?.length))).toEqual(new Set([3, 5, 7]));
    expect(rows).toHaveLength(2 + 1 + 2 + 14 + 2 + 28);
    for (const line of lines) expect(line).toMatch(/^(\||#{2,3} |>|$|took)/);
    const text = formatMarkdownReport(sampleRun([sampleJob({ path: '/work/clips/a) (b.mp4' })]), place);
    expect(text).toContain('](a%29%20%28b.mp4)');
  });

  it('stays below a size, and says how much is left out', () => {
    const jobs = Array(5000).fill(sampleJob({ name: '한국어' }));
    const text = formatMarkdownReport(sampleRun(jobs), { maxBytes: 65_536 });
    expect(Math.abs(Buffer.byteLength(text) - 63_000)).toBeLessThan(2_536);
    expect(text).toMatch(/…and \d+ more: see the report files\.\n$/);
  });
});

describe('HTML', () => {
  it.each([
    ['/work/clips/out/a b#?%&".mp4', 'out/a%20b%23%3F%25%26%22.mp4'],
    ['/work/other/한.mp4', '../other/%ED%95%9C.mp4'],
    ['/work/clips/javascript:alert(1).mp4', 'javascript%3Aalert(1).mp4'],
    ['/work/clips/\ud800.mp4', '%EF%BF%BD.mp4'],
  ])('links %j', (path, address) => {
    expect(savedClip(sampleJob({ path }), SAMPLE_FOLDER)?.address).toBe(address);
  });

  it('plays each clip beside it, with prompt, settings and credits, and says why one failed', () => {
    const html = formatHtmlReport(both, place);
    for (const part of [
      'src="out/hero%2016%3A9.mp4#t=0.001" aria-label="clip of hero[16:9]"></video>',
      '<p class="prompt" dir="auto">A macro lens focuses on a green glass frog on a leaf</p>',
      '<p class="soft">text to video · fast · 8 s · 720p · 16:9 · audio</p>',
      '<strong>67.5 credits</strong>',
      'data-state="saved" data-quality="720p" data-ratio="16:9"',
      'What needs attention',
      '<a href="#job-2" dir="auto">product</a>',
    ])
      expect(html).toContain(part);
    expect(html.match(/the service refused the content \(content_policy_violation\)/g)).toHaveLength(2);
  });

  it('allows its own style and script only, by their hashes', () => {
    const html = formatHtmlReport(hostileRun(), place);
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1] ?? '';
    for (const tag of ['style', 'script'] as const) {
      const texts = [...html.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, 'gs'))];
      expect(texts).toHaveLength(1);
      const hash = createHash('sha256').update(texts[0]?.[1] ?? '');
      expect(policy).toContain(`${tag}-src 'sha256-${hash.digest('base64')}'`);
    }
    expect(policy).toMatch(/^default-src 'none'; media-src 'self' file:; /);
    expect(policy).not.toContain('unsafe');
    expect(html).not.toMatch(/(?:src|href)="(?:https?:|\/\/|data:|javascript:)/i);
    expect(html).not.toMatch(/ style="/);
  });

  it('lets no text become markup', () => {
    const html = formatHtmlReport(hostileRun(), place);
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html).not.toMatch(/<img| onmouseover='|globalThis.broken = 1<\/script>/);
    expect(html).not.toMatch(/[\u202a-\u202e\u2066-\u2069]|(?![\t\n])\p{Cc}/u);
    expect(html).toContain('&#60;/script&#62;&#60;script&#62;globalThis.broken = 1&#60;/script&#62;');
  });

  it('flags a sandbox, a dry run, a shard and an early end, and has no clip for a job that has none', () => {
    const flags = { sandbox: true, dry_run: true, stopped: true, shard: { index: 2, count: 3 } };
    const states = ['failed', 'running', 'not_sent', 'uncertain', 'invalid'] as const;
    const jobs = states.map((state) => sampleJob({ state }));
    const html = formatHtmlReport(sampleRun(jobs, flags), place);
    expect(html).not.toContain('<video');
    for (const word of ['sandbox', 'dry run', 'stopped early', 'shard 2/3'])
      expect(html).toContain(`>${word}<`);
  });
});

test.each(HOSTILE_TEXTS)(
  'a run that was refused as a whole: holds the reason in every format, whatever it says: %j',
  async (message) => {
    const error = sampleError({
      code: 'credits',
      service_code: null,
      message,
      details: [message],
      hint: message,
    });
    const report = sampleRun([sampleJob({ state: 'not_sent' })], { error });
    const xml = formatJunitReport(report, place);
    expect(await xmlProblems(xml)).toEqual([]);
    expect(xml).toContain('<testsuites name="evolink run" tests="2" failures="1" errors="1"');
    expect(xml).not.toMatch(/\[\[\s*ATTACHMENT/i);
    expect(formatHtmlReport(report, place)).not.toMatch(/<img src=x|<script>globalThis/);
    expect(formatAnnotations(report, '/work').match(/^::/gm)).toHaveLength(1);
    expect(formatMarkdownReport(report, place)).toContain('**refused** · nothing was sent');
    expect(readReport(formatJsonReport(report, place), ...source).error?.code).toBe('credits');
  },
);
