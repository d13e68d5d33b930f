import { describe, expect, it } from 'vitest';
import { escapeMarkdown, formatMarkdownReport } from '../../../src/report/markdown.ts';
import {
  failedJob,
  HOSTILE_TEXTS,
  hostileRun,
  SAMPLE_FOLDER,
  sampleJob,
  sampleRun,
} from '../../helpers/sample-run-report.ts';

const place = { folder: SAMPLE_FOLDER };

describe('escapeMarkdown', () => {
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
    for (const text of HOSTILE_TEXTS) {
      const escaped = escapeMarkdown(text);
      expect(escaped).not.toMatch(/[<>\n\p{Bidi_Control}]|(?<!\\)[|`*_[\]~$]|@(?!&#8203;)|::|:\/\/|##\[/u);
    }
  });
});

describe('formatMarkdownReport', () => {
  it('sums up, tells what failed and why, and lists every job', () => {
    const text = formatMarkdownReport(sampleRun([sampleJob(), failedJob()]), place);
    expect(text).toBe(`## clips.yaml

took 12m 30s

| jobs | saved | failed | credits |
| --: | --: | --: | --: |
| 2 | 1 | 1 | 67.5 |

### What needs attention

| job | reason |
| --- | --- |
| product<br>clips.yaml:12 | the service refused the content (content\\_policy\\_violation)<br>the prompt names a person<br>next: change the prompt, then run it again<br>nothing was charged |

### Jobs

| job | state | prompt | settings | credits | warnings |
| --- | --- | --- | --- | --- | --- |
| [hero\\[16:9\\]](out/hero%2016%3A9.mp4) | ✅ saved | A macro lens focuses on a green glass frog on a leaf | text to video · fast · 8 s · 720p · 16:9 · audio | 67.5 |  |
| product | ❌ failed | A macro lens focuses on a green glass frog on a leaf | text to video · fast · 8 s · 720p · 16:9 · audio |  |  |
`);
  });

  it('names the code of the service once', () => {
    const { error } = failedJob();
    if (error === undefined) throw new Error('the sample has an error');
    const job = failedJob({ error: { ...error, message: 'it ended as failed (content_policy_violation)' } });
    const text = formatMarkdownReport(sampleRun([job]), place);
    expect(text.match(/content/g)).toHaveLength(1);
  });

  it('keeps one line a row with hostile texts', () => {
    const lines = formatMarkdownReport(hostileRun(), { ...place, hasLinks: false }).split('\n');
    const rows = lines.filter((line) => line.startsWith('|'));
    const cells = rows.map((row) => row.match(/(?<!\\)\|/g)?.length);
    expect(new Set(cells)).toEqual(new Set([3, 5, 7]));
    expect(rows).toHaveLength(2 + 1 + 2 + 14 + 2 + 28);
    for (const line of lines) expect(line).toMatch(/^(\||#{2,3} |>|$|took)/);
  });

  it('ends no link early', () => {
    const text = formatMarkdownReport(sampleRun([sampleJob({ outputPath: '/work/clips/a) (b.mp4' })]), place);
    expect(text).toContain('](a%29%20%28b.mp4)');
  });

  it('stays below a size, and says how much is left out', () => {
    const jobs = Array.from({ length: 5000 }, (_each, index) => sampleJob({ name: `한국어 ${index}` }));
    const text = formatMarkdownReport(sampleRun(jobs), { ...place, maxBytes: 65_536 });
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(65_536);
    expect(Buffer.byteLength(text)).toBeGreaterThan(60_000);
    expect(text).toMatch(/…and \d+ more: see the report files\.\n$/);
  });
});
