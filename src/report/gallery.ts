import { createHash } from 'node:crypto';
import { relativePath } from '../platform/folders.ts';
import { formatBytes, toIsoTime } from '../platform/text.ts';
import { formatCredits, formatDuration } from '../ui/format.ts';
import {
  clipAddress,
  countStates,
  creditWords,
  isTrouble,
  reasonLines,
  runDurationMs,
  runTitle,
  savedClip,
  settingWords,
} from './facts.ts';
import { GALLERY_SCRIPT, GALLERY_STYLE } from './gallery-assets.ts';
import type { JobReport, RunReport } from './run-report.ts';
import { type JobState, stateWord } from './states.ts';

/** Markup, made by `html` alone. */
interface Html {
  readonly markup: string;
}
type Part = string | number | Html | readonly Html[] | null | undefined;

/** Control characters but tab and line feed, and those that reorder the text around them; marks of direction stay. */
const UNSAFE = /(?![\t\n])\p{Cc}|[\u202A-\u202E\u2066-\u2069]|\p{Surrogate}/gu;

/** Any text that is put in, in an element or a quoted attribute, is shown as it is, in its own direction only. */
function html(pieces: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { markup: pieces.map((piece, index) => piece + markupOf(parts[index])).join('') };
}

function markupOf(part: Part): string {
  if (part === null || part === undefined) return '';
  if (typeof part === 'object') return 'markup' in part ? part.markup : part.map(markupOf).join('');
  return String(part)
    .replace(UNSAFE, '')
    .replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

const NOTHING = html``;

/** Signs of the states, so that colour does not stand alone. */
const MARKS: Readonly<Record<JobState, string>> = {
  saved: '✓',
  up_to_date: '=',
  copied: '=',
  running: '…',
  completed: '↓',
  not_sent: '–',
  uncertain: '?',
  failed: '×',
  cancelled: '×',
  expired: '×',
  invalid: '!',
};
/** A longer prompt is folded. UTF-16 units. */
const PROMPT_LENGTH = 240;

function mark(state: JobState): Html {
  return html`<i data-mark="${MARKS[state]}" aria-hidden="true"></i>`;
}

/** One job of the gallery: the clip, or why there is none, and what made it. */
function formatCard(job: JobReport, { number, folder }: { number: number; folder: string }): Html {
  const { settings, state } = job;
  return html`<article class="card" id="job-${number}" data-state="${state}" data-quality="${settings?.quality}" data-ratio="${settings?.aspect_ratio}">
${formatStage(job, folder)}
<div class="text">
<header><h3 dir="auto"><a href="#job-${number}">${job.name}</a></h3><span class="state is-${state}">${mark(state)}${stateWord(state)}</span></header>
${formatPrompt(job)}${settings === null ? NOTHING : html`<ul class="words" aria-label="settings">${settingWords(settings).map((word) => html`<li>${word}</li>`)}</ul>`}
${formatNotes(job.warnings)}
${formatMore(job)}
${formatFoot(job, folder)}
</div>
</article>
`;
}

/** The player is made by the page's script when the card comes near; without script it is there at once. */
function formatStage(job: JobReport, folder: string): Html {
  const clip = savedClip(job);
  if (clip === null) {
    const why =
      job.error === null
        ? html`<p>${job.state === 'running' ? 'The service was still working on this clip.' : 'Nothing was sent.'}</p>`
        : formatReason(job);
    return html`<div class="stage empty is-${job.state}">${mark(job.state)}${why}</div>`;
  }
  // Safari shows a frame of an unplayed clip only where a moment is asked for.
  const address = html`${clipAddress(folder, clip)}#t=0.001`;
  const label = `clip of ${job.name}`;
  return html`<div class="stage" data-clip="${address}" data-label="${label}"><noscript><video preload="metadata" controls playsinline src="${address}" aria-label="${label}"></video></noscript></div>`;
}

/** Why a job has no clip, a paragraph a line. */
function formatReason(job: JobReport): Html {
  return html`<div class="reason">${reasonLines(job).map((line) => html`<p dir="auto">${line}</p>`)}</div>`;
}

function formatPrompt({ prompt }: JobReport): Html {
  if (prompt === null) return NOTHING;
  if (prompt.length <= PROMPT_LENGTH) return html`<p class="prompt" dir="auto">${prompt}</p>`;
  const head = prompt.slice(0, PROMPT_LENGTH).replace(/\S*$/, '').trimEnd();
  return html`<details class="prompt"><summary dir="auto"><span>${head}… </span><b>whole prompt</b></summary><p dir="auto">${prompt}</p></details>`;
}

function formatNotes(notes: readonly string[]): Html {
  if (notes.length === 0) return NOTHING;
  return html`<ul class="notes">${notes.map((text) => html`<li dir="auto">${text}</li>`)}</ul>`;
}

function formatMore(job: JobReport): Html {
  const { media } = job;
  const rows: readonly (readonly [string, Part])[] = [
    ...Object.entries(job.variables).map(
      ([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)] as const,
    ),
    ['job file', `${job.file}:${job.line}`],
    ['model', job.settings?.model],
    ['size', media?.width_px && `${media.width_px} × ${media.height_px ?? '?'}`],
    ['took', job.duration_ms === null ? null : formatDuration(job.duration_ms)],
    ['task', job.task_id],
    ['SHA-256', job.sha256],
  ];
  return html`<details class="more"><summary>Details</summary><dl>${formatRows(rows)}</dl></details>`;
}

function formatRows(rows: readonly (readonly [string, Part])[]): readonly Html[] {
  return rows.map(([name, value]) =>
    value === null || value === undefined
      ? NOTHING
      : html`<div><dt>${name}</dt><dd dir="auto">${value}</dd></div>`,
  );
}

function formatFoot(job: JobReport, folder: string): Html {
  const clip = savedClip(job);
  const credits = creditWords(job);
  if (clip === null && credits === undefined) return NOTHING;
  const file =
    clip === null
      ? NOTHING
      : html`<a dir="auto" href="${clipAddress(folder, clip)}">${relativePath(folder, clip) ?? clip}</a> <span>${job.size_bytes === null ? '' : formatBytes(job.size_bytes)}</span>`;
  return html`<div class="foot"><span>${file}</span><strong>${credits}</strong></div>`;
}

/** The head of the gallery: what ran, how it ended, what it cost. */
function formatSummary(report: RunReport): Html {
  const { credits, balance, dry_run: isDryRun, shard } = report;
  const flags = [
    ...(shard === null ? [] : [`shard ${shard.index}/${shard.count}`]),
    ...(isDryRun ? ['dry run'] : []),
    ...(report.sandbox ? ['sandbox'] : []),
    ...(report.error === null ? [] : ['refused']),
    ...(report.stopped ? ['stopped early'] : []),
  ];
  const used = isDryRun ? null : credits.used;
  const of =
    credits.estimated === null ? NOTHING : html` <small>of about ${formatCredits(credits.estimated)}</small>`;
  const sums: readonly (readonly [string, Part])[] = [
    ['Jobs', report.jobs.length],
    ['Credits', used === null ? null : html`${formatCredits(used)}${of}`],
    [
      'Credits, estimated',
      used !== null || credits.estimated === null ? null : formatCredits(credits.estimated),
    ],
    ['Balance before', balance === null ? null : formatCredits(balance)],
    ['Time', isDryRun ? null : formatDuration(runDurationMs(report))],
  ];
  const states = countStates(report.jobs).map(
    ({ state, count }) => html`<li class="state is-${state}">${mark(state)}${count} ${stateWord(state)}</li>`,
  );
  return html`<header class="top wrap">
<p class="eyebrow"><b>evolink run</b><span>${report.started_at.replace(/^(.{10})T(.{5}).*/, '$1 $2 UTC')}</span>${flags.map((flag) => html`<span class="flag">${flag}</span>`)}</p>
<h1 dir="auto">${runTitle(report.files)}</h1>
<dl class="sums">${formatRows(sums)}</dl>
<ul class="legend">${states}</ul>
${formatNotes([...reasonLines(report), ...report.warnings])}
</header>
`;
}

/** Jobs without a clip that a person must look at, with reasons; empty where there are none. */
function formatTroubles(jobs: readonly JobReport[]): Html {
  const items = jobs.flatMap((job, index) =>
    isTrouble(job)
      ? [
          html`<li><div><a href="#job-${index + 1}" dir="auto">${job.name}</a><span class="where">${job.file}:${job.line}</span></div>${formatReason(job)}</li>`,
        ]
      : [],
  );
  if (items.length === 0) return NOTHING;
  const title = items.length === 1 ? '1 job needs attention' : `${items.length} jobs need attention`;
  return html`<section class="trouble" aria-labelledby="trouble-title"><h2 id="trouble-title">${title}</h2><ul tabindex="0" aria-labelledby="trouble-title">${items}</ul></section>\n`;
}

/** Search and filter. Hidden until the script that they need runs. */
function formatTools(jobs: readonly JobReport[]): Html {
  const states = countStates(jobs);
  const chips =
    states.length > 1 ? states.map(({ state, count }) => chip(state, `${stateWord(state)} ${count}`)) : [];
  return html`<div class="tools" hidden><form class="wrap" role="search" autocomplete="off">
<label class="label" for="search">Search</label><input id="search" name="search" type="search" placeholder="Search names, prompts, files  ( / )" spellcheck="false">
<fieldset><legend class="label">State</legend>${chip('', 'All', html` checked`)}${chips}</fieldset>
${select(
  'quality',
  'All qualities',
  jobs.map(({ settings }) => settings?.quality),
)}${select(
  'ratio',
  'All ratios',
  jobs.map(({ settings }) => settings?.aspect_ratio),
)}
<output aria-live="polite"></output><button type="button" class="theme">Dark</button>
</form></div>
`;
}

function chip(value: string, words: string, checked = NOTHING): Html {
  return html`<label class="chip"><input type="radio" name="state" value="${value}"${checked}><span>${words}</span></label>`;
}

function select(name: string, all: string, values: readonly (string | null | undefined)[]): Html {
  const known = [...new Set(values.flatMap((value) => value ?? []))];
  if (known.length < 2) return NOTHING;
  known.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  return html`<select name="${name}" aria-label="${name}"><option value="">${all}</option>${known.map((value) => html`<option value="${value}">${value}</option>`)}</select>`;
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

/**
 * The run as a gallery in one HTML file, to stand beside the clips: each plays in the page, with its prompt, settings and
 * credits. Nothing is loaded but the clips; nothing but the page's own style and script may run (Content-Security-Policy
 * with their hashes), so that no prompt can become code. Pure.
 */
export function formatHtmlReport(
  report: RunReport,
  { folder, nowMs }: { readonly folder: string; readonly nowMs: number },
): string {
  const { jobs, tool_version: version } = report;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${{ markup: POLICY }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<meta name="generator" content="evolink ${version}">
<title>${runTitle(report.files)} – evolink</title>
<style>${{ markup: GALLERY_STYLE }}</style>
</head>
<body>
<a class="skip" href="#clips">Skip to the clips</a>
${formatSummary(report)}<main>
<div class="wrap">${formatTroubles(jobs)}</div>
${formatTools(jobs)}<section class="wrap" id="clips" aria-label="Jobs" tabindex="-1">
<div class="grid">
${jobs.map((job, index) => formatCard(job, { folder, number: index + 1 }))}</div>
<p class="none" hidden>No job fits. Clear the search, or choose All.</p>
</section>
</main>
<footer class="end wrap">Written by evolink ${version}, ${toIsoTime(nowMs)}. Keep this file beside the clips.</footer>
<script>${{ markup: GALLERY_SCRIPT }}</script>
</body>
</html>
`.markup;
}
