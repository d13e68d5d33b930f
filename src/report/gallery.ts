import { createHash } from 'node:crypto';
import { formatBytes, formatCredits, formatDuration } from '../ui/format.ts';
import { toIsoTime } from '../ui/json.ts';
import { GALLERY_SCRIPT, GALLERY_STYLE } from './gallery-assets.ts';
import {
  clipAddress,
  countStates,
  creditWords,
  isTrouble,
  type JobReport,
  type JobState,
  type ReportPlace,
  type RunReport,
  reasonLines,
  relativePath,
  runTitle,
  STATE_WORDS,
  savedClip,
  settingWords,
} from './run-report.ts';

/** Control characters but tab and line feed, and those that reorder the text around them; marks of direction stay. */
const UNSAFE = /(?![\t\n])\p{Cc}|[\u202A-\u202E\u2066-\u2069]|\p{Surrogate}/gu;
const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Any text for an HTML element or a quoted attribute: shown as it is, in its own direction only, never as markup. */
function escapeHtml(text: string): string {
  return text.replace(UNSAFE, '').replace(/[&<>"']/g, (char) => ENTITIES[char] ?? '');
}

/** Signs of the states, so that colour does not stand alone. */
const MARKS: Readonly<Record<JobState, string>> = {
  saved: '✓',
  'up-to-date': '=',
  submitted: '…',
  failed: '×',
  invalid: '!',
  skipped: '–',
  planned: '○',
};
/** What is said of a job that has neither clip nor error. */
const NOTES: Readonly<Partial<Record<JobState, string>>> = {
  submitted: 'The service was still working on this clip.',
  skipped: 'Left out of this run; nothing was sent.',
  planned: 'Planned; nothing was sent.',
};
/** A longer prompt is folded. UTF-16 units. */
const PROMPT_LENGTH = 240;

interface CardOptions {
  /** Absolute folder of the page. */
  readonly folder: string;
  /** 1-based place in the report; makes the card's id. */
  readonly number: number;
  /** False: the player is made by the page's script when the card comes near; without script it is there at once. */
  readonly isEager: boolean;
}

/** One job of the gallery: the clip, or why there is none, and what made it. */
function formatCard(job: JobReport, options: CardOptions): string {
  const { settings } = job;
  return `<article class="card" id="job-${options.number}" data-state="${job.state}" data-quality="${escapeHtml(settings?.quality ?? '')}" data-ratio="${escapeHtml(settings?.aspectRatio ?? '')}">
${formatStage(job, options)}
<div class="text">
<header><h3 dir="auto"><a href="#job-${options.number}">${escapeHtml(job.name)}</a></h3>${formatState(job.state)}</header>
${[formatPrompt(job), formatSettings(job), formatWarnings(job), formatMore(job)].filter((part) => part !== '').join('\n')}
${formatFoot(job, options)}
</div>
</article>
`;
}

/** A state as sign and word. */
function formatState(state: JobState, count?: number): string {
  const words = count === undefined ? STATE_WORDS[state] : `${count} ${STATE_WORDS[state]}`;
  return `<span class="state is-${state}"><i data-mark="${MARKS[state]}" aria-hidden="true"></i>${words}</span>`;
}

/** Why a job has no clip, a paragraph a line. */
function formatReason(job: JobReport): string {
  const lines = reasonLines(job);
  if (lines.length === 0) return '';
  return `<div class="reason">${lines.map((line) => `<p dir="auto">${escapeHtml(line)}</p>`).join('')}</div>`;
}

function formatStage(job: JobReport, { folder, isEager }: CardOptions): string {
  const clip = savedClip(job);
  if (clip === undefined) return formatEmptyStage(job);
  // Safari shows a frame of an unplayed clip only where a moment is asked for.
  const address = `${escapeHtml(clipAddress(folder, clip))}#t=0.001`;
  const label = escapeHtml(`clip of ${job.name}`);
  const video = `<video preload="${isEager ? 'metadata' : 'none'}" controls playsinline src="${address}" aria-label="${label}"></video>`;
  if (isEager) return `<div class="stage">${video}</div>`;
  return `<div class="stage" data-clip="${address}" data-label="${label}"><noscript>${video}</noscript></div>`;
}

/** In the place of the clip: why there is none. */
function formatEmptyStage(job: JobReport): string {
  const reason = formatReason(job) || `<p>${NOTES[job.state] ?? ''}</p>`;
  return `<div class="stage empty is-${job.state}"><i data-mark="${MARKS[job.state]}" aria-hidden="true"></i>${reason}</div>`;
}

function formatPrompt({ prompt }: JobReport): string {
  if (prompt === undefined) return '';
  if (prompt.length <= PROMPT_LENGTH) return `<p class="prompt" dir="auto">${escapeHtml(prompt)}</p>`;
  const head = escapeHtml(prompt.slice(0, PROMPT_LENGTH).replace(/\S*$/, '').trimEnd());
  return `<details class="prompt"><summary dir="auto"><span>${head}… </span><b>whole prompt</b></summary><p dir="auto">${escapeHtml(prompt)}</p></details>`;
}

function formatSettings({ settings }: JobReport): string {
  if (settings === undefined) return '';
  const items = settingWords(settings).map((word) => `<li>${escapeHtml(word)}</li>`);
  return `<ul class="words" aria-label="settings">${items.join('')}</ul>`;
}

function formatWarnings({ warnings }: JobReport): string {
  if (warnings.length === 0) return '';
  return `<ul class="warn">${warnings.map((text) => `<li dir="auto">Warning: ${escapeHtml(text)}</li>`).join('')}</ul>`;
}

function formatMore(job: JobReport): string {
  const { media } = job;
  const rows: readonly (readonly [string, string | undefined])[] = [
    ...Object.entries(job.variables).map(([name, value]) => [name, variableText(value)] as const),
    ['job file', `${job.file}:${job.line}`],
    ['model', job.settings?.model],
    ['picture', media?.widthPx === undefined ? undefined : `${media.widthPx} × ${media.heightPx ?? '?'}`],
    ['took', job.durationMs === undefined ? undefined : formatDuration(job.durationMs)],
    ['task', job.taskId],
    ['SHA-256', job.sha256],
  ];
  const cells = rows.flatMap(([name, value]) =>
    value === undefined ? [] : [`<dt>${escapeHtml(name)}</dt><dd dir="auto">${escapeHtml(value)}</dd>`],
  );
  return `<details class="more"><summary>Details</summary><dl>${cells.join('')}</dl></details>`;
}

function variableText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function formatFoot(job: JobReport, { folder }: CardOptions): string {
  const clip = savedClip(job);
  const credits = creditWords(job);
  const size = job.sizeBytes === undefined ? '' : ` <span class="size">${formatBytes(job.sizeBytes)}</span>`;
  const file =
    clip === undefined
      ? '<span></span>'
      : `<span><a dir="auto" href="${escapeHtml(clipAddress(folder, clip))}">${escapeHtml(relativePath(folder, clip) ?? clip)}</a>${size}</span>`;
  const spent = credits === undefined ? '' : `<strong>${credits}</strong>`;
  return clip === undefined && spent === '' ? '' : `<div class="foot">${file}${spent}</div>`;
}

/** The head of the gallery: what ran, how it ended, what it cost. */
function formatSummary(report: RunReport): string {
  const started = (toIsoTime(report.startedAtMs) ?? '').replace(/^(.{10})T(.{5}).*/, '$1 $2 UTC');
  const flags = [
    ...(report.isDryRun ? ['dry run'] : []),
    ...(report.isSandbox ? ['sandbox'] : []),
    ...(report.error === undefined ? [] : ['refused']),
    ...(report.isStopped ? ['stopped early'] : []),
  ];
  const shard =
    report.shard === undefined ? '' : `<span>shard ${report.shard.index}/${report.shard.count}</span>`;
  return `<header class="top wrap">
<p class="eyebrow"><span class="brand">evolink run</span><span>${started}</span>${shard}${flags.map((flag) => `<span class="flag">${flag}</span>`).join('')}</p>
<h1 dir="auto">${escapeHtml(runTitle(report.files))}</h1>
<dl class="sums">${formatSums(report)}</dl>
${formatShares(report.jobs)}
${formatNotes([...reasonLines(report).map((line) => `Refused: ${line}`), ...report.warnings.map((line) => `Warning: ${line}`)])}
</header>
`;
}

/** Jobs without a clip that a person must look at, with reasons; empty where there are none. */
function formatTroubles(jobs: readonly JobReport[]): string {
  const items = jobs.flatMap((job, index) => (isTrouble(job) ? [formatTrouble(job, index + 1)] : []));
  if (items.length === 0) return '';
  const title = items.length === 1 ? '1 job needs attention' : `${items.length} jobs need attention`;
  return `<section class="trouble" aria-labelledby="trouble-title"><h2 id="trouble-title">${title}</h2><ul tabindex="0" aria-labelledby="trouble-title">${items.join('')}</ul></section>\n`;
}

function formatTrouble(job: JobReport, number: number): string {
  const name = `<a href="#job-${number}" dir="auto">${escapeHtml(job.name)}</a>`;
  const where = `<span class="where">${escapeHtml(`${job.file}:${job.line}`)}</span>`;
  return `<li><div>${name}${where}</div>${formatReason(job)}</li>`;
}

function formatSums(report: RunReport): string {
  const { credits, balance } = report;
  const rows: readonly (readonly [string, string | undefined, string?])[] = [
    ['Jobs', String(report.jobs.length)],
    ['Credits used', report.isDryRun ? undefined : maybe(credits.used), besides(report)],
    [
      'Credits, estimated',
      report.isDryRun || credits.used === undefined ? maybe(credits.estimated) : undefined,
    ],
    ['Balance before', maybe(balance)],
    ['Time', report.isDryRun ? undefined : formatDuration(report.endedAtMs - report.startedAtMs)],
  ];
  return rows
    .map(([name, value, note = '']) =>
      value === undefined ? '' : `<div><dt>${name}</dt><dd>${value}${note}</dd></div>`,
    )
    .join('');
}

function besides({ credits: { estimated } }: RunReport): string {
  return estimated === undefined ? '' : ` <small>of about ${formatCredits(estimated)}</small>`;
}

function maybe(credits: number | undefined): string | undefined {
  return credits === undefined ? undefined : formatCredits(credits);
}

/** A bar of the states, drawn as attributes: the page's policy allows no inline styles. */
function formatShares(jobs: readonly JobReport[]): string {
  const states = countStates(jobs);
  let x = 0;
  const parts = states.map(({ state, count }) => {
    const width = (count / jobs.length) * 100;
    const part = `<rect class="is-${state}" x="${x.toFixed(3)}" width="${width.toFixed(3)}" height="1"/>`;
    x += width;
    return part;
  });
  const words = states.map(({ state, count }) => `${count} ${STATE_WORDS[state]}`).join(', ');
  const items = states.map(({ state, count }) => `<li>${formatState(state, count)}</li>`);
  return `<svg class="share" viewBox="0 0 100 1" preserveAspectRatio="none" role="img" aria-label="${words}">${parts.join('')}</svg>
<ul class="legend">${items.join('')}</ul>`;
}

function formatNotes(notes: readonly string[]): string {
  if (notes.length === 0) return '';
  return `<ul class="notes">${notes.map((text) => `<li dir="auto">${escapeHtml(text)}</li>`).join('')}</ul>`;
}

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
