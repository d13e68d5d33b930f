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
type Part = string | number | false | Html | readonly Part[] | null | undefined;

/** Control characters but tab and line feed, and those that reorder the text around them; marks of direction stay. */
const UNSAFE = /(?![\t\n])\p{Cc}|[\u202A-\u202E\u2066-\u2069]|\p{Surrogate}/gu;

/** Any text that is put in, in an element or a quoted attribute, is shown as it is, in its own direction only. */
function html(pieces: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { markup: pieces.map((piece, index) => piece + markupOf(parts[index])).join('') };
}

function markupOf(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (typeof part === 'object') return 'markup' in part ? part.markup : part.map(markupOf).join('');
  return String(part)
    .replace(UNSAFE, '')
    .replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

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

/** One below the other; nothing where there are none. */
function formatList(name: string, texts: readonly string[]): Part {
  const items = texts.map((text) => html`<li dir="auto">${text}</li>`);
  return items.length > 0 && html`<ul class="${name}">${items}</ul>`;
}

/** Names and values, as far as these are known. */
function formatFacts(name: string, facts: readonly (readonly [string, Part])[]): Html {
  const known = facts.filter(([, value]) => value !== null && value !== undefined);
  return html`<dl class="${name}">${known.map(([key, value]) => html`<div><dt>${key}</dt><dd dir="auto">${value}</dd></div>`)}</dl>`;
}

/** One job of the gallery: the clip, or why there is none, and what made it. */
function formatCard(job: JobReport, number: number, folder: string): Html {
  const { settings, state, media } = job;
  const clip = savedClip(job);
  const address = clip === null ? null : clipAddress(folder, clip);
  const credits = creditWords(job);
  const size = clip !== null && job.size_bytes !== null && formatBytes(job.size_bytes);
  const file =
    clip !== null && html`<a dir="auto" href="${address}">${relativePath(folder, clip) ?? clip}</a> ${size}`;
  const more = formatFacts('more', [
    ...Object.entries(job.variables).map(
      ([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)] as const,
    ),
    ['job file', `${job.file}:${job.line}`],
    ['model', settings?.model],
    ['size', media?.width_px && `${media.width_px} × ${media.height_px ?? '?'}`],
    ['took', job.duration_ms === null ? null : formatDuration(job.duration_ms)],
    ['task', job.task_id],
    ['SHA-256', job.sha256],
  ]);
  return html`<article class="card" id="job-${number}" data-state="${state}" data-quality="${settings?.quality}" data-ratio="${settings?.aspect_ratio}">
${address === null ? formatNoClip(job) : formatPlayer(`clip of ${job.name}`, address)}
<div class="text">
<header><h3 dir="auto"><a href="#job-${number}">${job.name}</a></h3><span class="state is-${state}">${mark(state)}${stateWord(state)}</span></header>
${formatPrompt(job.prompt ?? '')}${formatList('words', settings === null ? [] : settingWords(settings))}
${formatList('notes', job.warnings)}
<details class="soft"><summary>Details</summary>${more}</details>
${(file || credits) && html`<div class="foot"><span>${file}</span><strong>${credits}</strong></div>`}
</div>
</article>
`;
}

/** The player is made by the page's script when the card comes near; without script it is there at once. */
function formatPlayer(label: string, path: string): Html {
  // Safari shows a frame of an unplayed clip only where a moment is asked for.
  const address = html`${path}#t=0.001`;
  return html`<div class="stage" data-clip="${address}" data-label="${label}"><noscript><video preload="metadata" controls playsinline src="${address}" aria-label="${label}"></video></noscript></div>`;
}

function formatNoClip(job: JobReport): Html {
  const words = job.state === 'running' ? 'The service was still working on this clip.' : 'Nothing was sent.';
  const why = job.error === null ? html`<p>${words}</p>` : formatReason(job);
  return html`<div class="stage empty is-${job.state}">${mark(job.state)}${why}</div>`;
}

/** Why a job has no clip, a paragraph a line. */
function formatReason(job: JobReport): Html {
  return html`<div class="reason">${reasonLines(job).map((line) => html`<p dir="auto">${line}</p>`)}</div>`;
}

function formatPrompt(prompt: string): Part {
  if (prompt.length <= PROMPT_LENGTH)
    return prompt !== '' && html`<p class="prompt" dir="auto">${prompt}</p>`;
  const head = prompt.slice(0, PROMPT_LENGTH).replace(/\S*$/, '').trimEnd();
  return html`<details class="prompt"><summary dir="auto"><span>${head}… </span><b>whole prompt</b></summary><p dir="auto">${prompt}</p></details>`;
}

/** The head of the gallery: what ran, how it ended, what it cost. */
function formatSummary(report: RunReport): Html {
  const { credits, balance, dry_run: isDryRun, shard } = report;
  const flags = [
    shard !== null && `shard ${shard.index}/${shard.count}`,
    isDryRun && 'dry run',
    report.sandbox && 'sandbox',
    report.error !== null && 'refused',
    report.stopped && 'stopped early',
  ];
  const used = isDryRun || credits.used === null ? null : formatCredits(credits.used);
  const estimated = credits.estimated === null ? null : formatCredits(credits.estimated);
  const of = estimated === null ? null : html` <small>of about ${estimated}</small>`;
  const states = countStates(report.jobs).map(
    ({ state, count }) => html`<li class="state is-${state}">${mark(state)}${count} ${stateWord(state)}</li>`,
  );
  return html`<header class="top wrap">
<p class="line"><b>evolink run</b><span>${report.started_at.replace(/^(.{10})T(.{5}).*/, '$1 $2 UTC')}</span>${flags.map((flag) => flag && html`<span class="flag">${flag}</span>`)}</p>
<h1 dir="auto">${runTitle(report.files)}</h1>
${formatFacts('line sums', [
  ['Jobs', report.jobs.length],
  used === null ? ['Credits, estimated', estimated] : ['Credits', html`${used}${of}`],
  ['Balance before', balance === null ? null : formatCredits(balance)],
  ['Time', isDryRun ? null : formatDuration(runDurationMs(report))],
])}
<ul class="line">${states}</ul>
${formatList('notes', [...reasonLines(report), ...report.warnings])}
</header>
`;
}

/** Jobs without a clip that a person must look at, with reasons; empty where there are none. */
function formatTroubles(jobs: readonly JobReport[]): Part {
  const items = jobs.flatMap((job, index) => {
    const name = html`<a href="#job-${index + 1}" dir="auto">${job.name}</a><br><small>${job.file}:${job.line}</small>`;
    return isTrouble(job) ? [html`<li><div>${name}</div>${formatReason(job)}</li>`] : [];
  });
  const title = items.length === 1 ? '1 job needs attention' : `${items.length} jobs need attention`;
  return (
    items.length > 0 &&
    html`<section class="trouble" aria-labelledby="trouble"><h2 id="trouble">${title}</h2><ul tabindex="0" aria-labelledby="trouble">${items}</ul></section>\n`
  );
}

/** Search and filter. Hidden until the script that they need runs. */
function formatTools(jobs: readonly JobReport[]): Html {
  const states = countStates(jobs);
  const choices = [{ value: '', words: 'All' }];
  for (const { state, count } of states.length > 1 ? states : [])
    choices.push({ value: state, words: `${stateWord(state)} ${count}` });
  const chips = choices.map(
    ({ value, words }) =>
      html`<label class="chip"><input type="radio" name="state" value="${value}"${value === '' && html` checked`}><span>${words}</span></label>`,
  );
  return html`<div class="tools" hidden><form class="wrap" role="search" autocomplete="off">
<input name="search" type="search" aria-label="Search" placeholder="Search names, prompts, files  ( / )" spellcheck="false">
<fieldset aria-label="State">${chips}</fieldset>
${formatSelect('quality', 'All qualities', new Set(jobs.map(({ settings }) => settings?.quality ?? '')))}
${formatSelect('ratio', 'All ratios', new Set(jobs.map(({ settings }) => settings?.aspect_ratio ?? '')))}
<output aria-live="polite"></output><button type="button" class="theme">Dark</button>
</form></div>
`;
}

function formatSelect(name: string, all: string, values: ReadonlySet<string>): Part {
  const known = [...values].filter(Boolean).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const options = known.map((value) => html`<option value="${value}">${value}</option>`);
  return (
    options.length > 1 &&
    html`<select name="${name}" aria-label="${name}"><option value="">${all}</option>${options}</select>`
  );
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
${jobs.map((job, index) => formatCard(job, index + 1, folder))}</div>
<p class="none" hidden>No job fits. Clear the search, or choose All.</p>
</section>
</main>
<footer class="end wrap">Written by evolink ${version}, ${toIsoTime(nowMs)}. Keep this file beside the clips.</footer>
<script>${{ markup: GALLERY_SCRIPT }}</script>
</body>
</html>
`.markup;
}
