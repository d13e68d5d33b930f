import { createHash } from 'node:crypto';
import type { JobReport, RunReport } from '../jobs/run-report.ts';
import { toIsoTime } from '../ui/json-document.ts';
import { escapeHtml } from './escape-html.ts';
import { GALLERY_SCRIPT } from './gallery-script.ts';
import { GALLERY_STYLE } from './gallery-style.ts';
import { formatCard } from './html-card.ts';
import { formatSummary, formatTroubles } from './html-summary.ts';
import { countStates, runTitle, STATE_WORDS } from './job-words.ts';
import type { ReportPlace } from './report-place.ts';

/** Up to here every clip has its player from the start; beyond, a player is made when its card comes near. */
const MAX_EAGER_CLIPS = 60;

/**
 * The run as a gallery in one HTML file, to stand beside the clips: each plays in the page, with its prompt, settings and
 * credits. Nothing is loaded but the clips; nothing but the page's own style and script may run (Content-Security-Policy
 * with their hashes), so that no prompt can become code. Pure.
 */
export function formatHtmlReport(report: RunReport, { folder, nowMs }: ReportPlace): string {
  const { jobs } = report;
  const isEager = jobs.length <= MAX_EAGER_CLIPS;
  const cards = jobs.map((job, index) => formatCard(job, { folder, number: index + 1, isEager }));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<meta name="generator" content="evolink ${escapeHtml(report.toolVersion)}">
<title>${escapeHtml(runTitle(report.files))} – evolink</title>
<style>${GALLERY_STYLE}</style>
</head>
<body>
<a class="skip" href="#clips">Skip to the clips</a>
${formatSummary(report)}<main>
<div class="wrap">${formatTroubles(jobs)}</div>
${formatTools(jobs)}<section class="wrap" id="clips" aria-label="Jobs" tabindex="-1">
<div class="grid${isEager ? '' : ' many'}">
${cards.join('')}</div>
<p class="none" hidden>No job fits. Clear the search, or choose All.</p>
</section>
</main>
<footer class="end wrap">Written by evolink ${escapeHtml(report.toolVersion)}, ${toIsoTime(nowMs) ?? ''}. Keep this file beside the clips.</footer>
<script>${GALLERY_SCRIPT}</script>
</body>
</html>
`;
}

/** What a page may load and run. `file:` is for pages that are opened from a disk, where browsers differ about 'self'. */
const POLICY = [
  "default-src 'none'",
  "media-src 'self' file:",
  `style-src '${hashSource(GALLERY_STYLE)}'`,
  `script-src '${hashSource(GALLERY_SCRIPT)}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

function hashSource(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

/** Search and filter. Hidden until the script that they need runs. */
function formatTools(jobs: readonly JobReport[]): string {
  const states = countStates(jobs).map(({ state, count }) => chip(state, `${STATE_WORDS[state]} ${count}`));
  const qualities = distinct(jobs.map(({ settings }) => settings?.quality));
  const ratios = distinct(jobs.map(({ settings }) => settings?.aspectRatio));
  return `<div class="tools" hidden><form class="wrap" role="search" autocomplete="off">
<label class="label" for="search">Search</label><input id="search" name="search" type="search" placeholder="Search names, prompts, files  ( / )" spellcheck="false">
<fieldset><legend class="label">State</legend>${chip('', 'All', true)}${states.length > 1 ? states.join('') : ''}</fieldset>
${select('quality', 'All qualities', qualities)}${select('ratio', 'All ratios', ratios)}
<output aria-live="polite"></output><button type="button" class="theme">Dark</button>
</form></div>
`;
}

function chip(value: string, words: string, isChecked = false): string {
  return `<label class="chip"><input type="radio" name="state" value="${value}"${isChecked ? ' checked' : ''}><span>${words}</span></label>`;
}

function select(name: string, all: string, values: readonly string[]): string {
  if (values.length < 2) return '';
  const options = values.map((value) => `<option value="${escapeHtml(value)}">${escapeHtml(value)}</option>`);
  return `<select name="${name}" aria-label="${name}"><option value="">${all}</option>${options.join('')}</select>`;
}

function distinct(values: readonly (string | undefined)[]): readonly string[] {
  return [...new Set(values.filter((value) => value !== undefined))].sort((a, b) =>
    a.localeCompare(b, 'en', { numeric: true }),
  );
}
