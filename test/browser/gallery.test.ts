import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatHtmlReport } from '../../src/report/gallery.ts';
import type { RunReport } from '../../src/report/run-report.ts';
import { makeVideo } from '../../src/sandbox/video/make-video.ts';
import { failedJob, hostileRun, SETTINGS, sampleJob, sampleRun } from '../helpers/sample-run-report.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

const PATHS = [process.env.CHROMIUM_PATH ?? '', '/usr/bin/chromium', '/usr/bin/google-chrome'];
const executablePath = PATHS.find((path) => existsSync(path));
const QUIET = '--disable-background-networking --disable-component-update --disable-sync';
const FLAGS = `--no-sandbox --disable-gpu --disable-quic --no-first-run ${QUIET}`.split(' ');

let browser: Browser;
let clip: Uint8Array;

/** What scripts of the tests read from the page; the project itself has no types of a browser. */
const VIDEOS = 'Array.from(document.querySelectorAll("video"), (video) => video.readyState)';

async function openGallery(report: (folder: string) => RunReport, options?: BrowserContextOptions) {
  const folder = await tempFolder();
  mkdirSync(join(folder, 'out'));
  writeFileSync(join(folder, 'out', 'clip #1 100%.mp4'), clip);
  writeFileSync(join(folder, 'out', '한국어.mp4'), clip);
  const file = join(folder, 'report.html');
  writeFileSync(file, formatHtmlReport(report(folder), { folder, nowMs: 0 }));
  const page = await (await browser.newContext({ colorScheme: 'light', ...options })).newPage();
  const problems: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(pathToFileURL(file).href);
  return { page, problems, requests };
}

function mixedRun(folder: string): RunReport {
  const first = sampleJob({ name: 'first', path: join(folder, 'out', 'clip #1 100%.mp4') });
  const settings = { ...SETTINGS, quality: '1080p', aspect_ratio: '9:16' };
  const words = { name: 'second', prompt: '신발 광고', state: 'up_to_date' } as const;
  const second = sampleJob({ ...words, settings, path: join(folder, 'out', '한국어.mp4') });
  return sampleRun([first, second, failedJob({ name: 'third' })]);
}

/** Waits until an expression of the page is true; from outside, as the page's own policy forbids evaluation in it. */
async function becomesTrue(page: Page, expression: string): Promise<void> {
  await expect.poll(() => page.evaluate(`Boolean(${expression})`)).toBe(true);
}

const TITLES =
  'Array.from(document.querySelectorAll(".card:not([hidden]) h3"), (title) => title.textContent)';
const shownNames = (page: Page): Promise<unknown> => page.evaluate(TITLES);

describe.skipIf(executablePath === undefined)('the gallery in Chromium', () => {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath ?? '', headless: true, args: FLAGS });
    const form = { widthPx: 320, heightPx: 180, durationSeconds: 1, hasAudio: false, ratio: '16:9' };
    const request = {
      prompt: 'a frog',
      quality: '480p',
      model: 'm',
      taskId: 'task-1',
    } as const;
    clip = await makeVideo({ ...form, ...request });
  });
  afterAll(() => browser?.close());

  it('loads every clip from the disk, and nothing else, without a word in the console', async () => {
    const { page, problems, requests } = await openGallery(mixedRun);
    await becomesTrue(page, `${VIDEOS}.length === 2 && ${VIDEOS}.every((state) => state >= 1)`);
    await page.evaluate('document.querySelector("video").play()');
    expect(await page.evaluate('document.querySelector("video").paused')).toBe(false);
    expect(problems).toEqual([]);
    expect(requests.every((url) => url.startsWith('file:') && /(report\.html|\.mp4)/.test(url))).toBe(true);
  });

  it('filters by state, quality and ratio, and searches all words', async () => {
    const { page } = await openGallery(mixedRun);
    await page.keyboard.press('/');
    await page.keyboard.type('신발 1080P');
    expect(await shownNames(page)).toEqual(['second']);
    expect(await page.textContent('output')).toBe('1 of 3 jobs');
    await page.keyboard.type(' nothing');
    expect(await page.isVisible('.none')).toBe(true);
    await page.keyboard.press('Escape');
    expect(await shownNames(page)).toEqual(['first', 'second', 'third']);
    await page.check('input[value=failed]', { force: true });
    expect(await shownNames(page)).toEqual(['third']);
    await page.check('input[value=""]', { force: true });
    await page.keyboard.press('/');
    await page.keyboard.type('controls');
    expect(await shownNames(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.selectOption('select[name=ratio]', '9:16');
    expect(await shownNames(page)).toEqual(['second']);
    await page.selectOption('select[name=ratio]', '');
    await page.selectOption('select[name=quality]', '720p');
    expect(await shownNames(page)).toEqual(['first', 'third']);
  });

  it('shows a card that the filter hides when a link leads to it', async () => {
    const { page } = await openGallery(mixedRun);
    await page.check('input[value=saved]', { force: true });
    await page.click('.trouble a');
    await becomesTrue(page, '!document.querySelector("#job-3").hidden');
  });

  it('follows the system, and the button over it', async () => {
    const { page } = await openGallery(mixedRun, { colorScheme: 'dark' });
    const background = (): Promise<unknown> =>
      page.evaluate('getComputedStyle(document.body).backgroundColor');
    const dark = await background();
    await page.click('.theme');
    const light = await background();
    expect(light).not.toBe(dark);
    await page.emulateMedia({ colorScheme: 'light' });
    expect(await background()).toBe(light);
    await page.click('.theme');
    expect(await background()).toBe(dark);
  });

  it('is whole without JavaScript', async () => {
    const { page } = await openGallery(mixedRun, { javaScriptEnabled: false });
    expect(await page.locator('video[controls]').count()).toBe(2);
    expect(await page.locator('.tools').isVisible()).toBe(false);
    expect(await page.locator('.card').count()).toBe(3);
  });

  it('runs nothing of what a text says', async () => {
    const { page, problems } = await openGallery(() => hostileRun());
    expect(await page.evaluate('globalThis.broken ?? null')).toBeNull();
    expect(await page.evaluate('document.querySelectorAll("script").length')).toBe(1);
    expect(problems.filter((text) => !text.includes('ERR_FILE_NOT_FOUND'))).toEqual([]);
    await page.waitForSelector('.gone');
  });

  it('stays usable with ten thousand jobs: few players, and those that come near', async () => {
    const { page } = await openGallery((folder) => {
      const path = join(folder, 'out', 'clip #1 100%.mp4');
      const job = (_: unknown, index: number) => sampleJob({ name: `job-${index}`, path });
      return sampleRun(Array.from({ length: 10_000 }, job));
    });
    await becomesTrue(page, `${VIDEOS}.some((state) => state >= 1)`);
    expect(await page.locator('video').count()).toBeLessThan(60);
    await page.fill('input[type=search]', 'job-9999');
    await becomesTrue(page, 'document.querySelector("#job-10000 video")?.readyState >= 1');
    expect(await shownNames(page)).toEqual(['job-9999']);
    expect(await page.locator('video').count()).toBeLessThan(60);
  });
});
