import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { formatHtmlReport } from '../../../src/report/gallery.ts';
import { clipAddress } from '../../../src/report/run-report.ts';
import {
  failedJob,
  HOSTILE_TEXTS,
  hostileRun,
  SAMPLE_FOLDER,
  sampleJob,
  sampleRun,
} from '../../helpers/sample-run-report.ts';

const place = { folder: SAMPLE_FOLDER, nowMs: Date.UTC(2026, 10, 21) };

describe('clipAddress', () => {
  it.each([
    ['/work/clips/out/a b#?%&".mp4', 'out/a%20b%23%3F%25%26%22.mp4'],
    ['/work/other/한.mp4', '../other/%ED%95%9C.mp4'],
    ['/work/clips/javascript:alert(1).mp4', 'javascript%3Aalert(1).mp4'],
    ['/work/clips/\ud800.mp4', '%EF%BF%BD.mp4'],
  ])('leads to %j', (path, address) => {
    expect(clipAddress(SAMPLE_FOLDER, path)).toBe(address);
  });
});

describe('formatHtmlReport', () => {
  it('plays each clip beside it, with prompt, settings and credits', () => {
    const html = formatHtmlReport(sampleRun([sampleJob()]), place);
    expect(html).toContain(
      '<video preload="metadata" controls playsinline src="out/hero%2016%3A9.mp4#t=0.001" aria-label="clip of hero[16:9]"></video>',
    );
    expect(html).toContain(
      '<p class="prompt" dir="auto">A macro lens focuses on a green glass frog on a leaf</p>',
    );
    expect(html).toContain('<li>8 s</li><li>720p</li><li>16:9</li><li>audio</li>');
    expect(html).toContain('<strong>67.5 credits</strong>');
    expect(html).toContain('data-state="saved" data-quality="720p" data-ratio="16:9"');
  });

  it.each(['failed', 'submitted', 'skipped', 'invalid', 'planned'] as const)(
    'shows no clip for one that is %s',
    (state) => {
      expect(formatHtmlReport(sampleRun([sampleJob({ state })]), place)).not.toContain('<video');
    },
  );

  it('tells why a job failed, above and at its card', () => {
    const html = formatHtmlReport(sampleRun([sampleJob(), failedJob()]), place);
    expect(html).toContain('1 job needs attention');
    expect(html.match(/the service refused the content \(content_policy_violation\)/g)).toHaveLength(2);
    expect(html).toContain('<a href="#job-2" dir="auto">product</a>');
  });

  it('allows its own style and script only, by their hashes', () => {
    const html = formatHtmlReport(hostileRun(), place);
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1] ?? '';
    for (const tag of ['style', 'script'] as const) {
      const texts = [...html.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, 'gs'))];
      expect(texts).toHaveLength(1);
      const hash = createHash('sha256')
        .update(texts[0]?.[1] ?? '')
        .digest('base64');
      expect(policy).toContain(`${tag}-src 'sha256-${hash}'`);
    }
    expect(policy).toMatch(/^default-src 'none'; media-src 'self' file:; /);
    expect(policy).not.toContain('unsafe');
    expect(html).not.toMatch(/(?:src|href)="(?:https?:|\/\/|data:|javascript:)/i);
    expect(html).not.toMatch(/ style="/);
  });

  it('lets no text become markup', () => {
    const html = formatHtmlReport(hostileRun(), place);
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html).not.toContain('<img');
    expect(html).not.toMatch(/ onmouseover='/);
    expect(html).not.toMatch(/[\u202a-\u202e\u2066-\u2069]|(?![\t\n])\p{Cc}/u);
    expect(html).toContain('&lt;/script&gt;&lt;script&gt;globalThis.broken = 1&lt;/script&gt;');
  });

  it('keeps hostile texts out of the tags of a large page too', () => {
    const jobs = HOSTILE_TEXTS.flatMap((text) => Array.from({ length: 10 }, () => sampleJob({ name: text })));
    const html = formatHtmlReport(sampleRun(jobs), place);
    expect(html).toContain('<noscript><video preload="none" controls');
    expect(html).not.toMatch(/globalThis.broken = 1<\/script>/);
    expect(html.match(/<script/g)).toHaveLength(1);
  });

  it('folds a long prompt and keeps all of it', () => {
    const prompt = 'word '.repeat(100).trim();
    const html = formatHtmlReport(sampleRun([sampleJob({ prompt })]), place);
    expect(html).toContain('<b>whole prompt</b>');
    expect(html).toContain(`<p dir="auto">${prompt}</p>`);
  });

  it('tells of a sandbox, a dry run and an early end', () => {
    const html = formatHtmlReport(
      sampleRun([], { isSandbox: true, isDryRun: true, isStopped: true, shard: { index: 2, count: 3 } }),
      place,
    );
    for (const word of ['>sandbox<', '>dry run<', '>stopped early<', '>shard 2/3<'])
      expect(html).toContain(word);
  });
});
