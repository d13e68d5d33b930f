import { createHash } from 'node:crypto';
import { formatBytes, toIsoTime } from '../platform/text.ts';
import {
  countStates,
  creditWords,
  isTrouble,
  reasonLines,
  runEnd,
  runFlags,
  runTitle,
  runTotals,
  savedClip,
  settingWords,
} from './facts.ts';
import { GALLERY_SCRIPT, GALLERY_STYLE } from './gallery-assets.ts';
import type { JobReport, RunReport } from './run-report.ts';
import { stateWord } from './states.ts';

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

/** One below the other; nothing where there are none. */
function formatNotes(texts: readonly string[]): Part {
  return (
    texts.length > 0 && html`<ul class="notes">${texts.map((text) => html`<li dir="auto">${text}</li>`)}</ul>`
  );
}

/** One job of the gallery: the clip, or why there is none, and what made it. */
function formatCard(job: JobReport, number: number, folder: string): Html {
  const { settings, state, name } = job;
  const clip = savedClip(job, folder);
  const size = job.size_bytes !== null && formatBytes(job.size_bytes);
  return html`<article class="card" id="job-${number}" data-state="${state}" data-quality="${settings?.quality}" data-ratio="${settings?.aspect_ratio}">
${clip === undefined ? html`<div class="stage empty">${formatReason(job)}</div>` : formatPlayer(`clip of ${name}`, clip.address)}
<div class="text">
<header><h3 dir="auto"><a href="#job-${number}">${name}</a></h3><span class="state is-${state}">${stateWord(state)}</span></header>
<p class="prompt" dir="auto">${job.prompt}</p>
<p class="soft">${settingWords(job)}</p>
${formatNotes(job.warnings)}
<p class="soft" dir="auto">${job.file}:${job.line}${job.task_id && ` · ${job.task_id}`}</p>
<div class="foot"><span>${clip && html`<a dir="auto" href="${clip.address}">${clip.path}</a> ${size}`}</span><strong>${creditWords(job)}</strong></div>
</div>
</article>
`;
}

/** The player is put in by the page's script when the card comes near; without script it is there at once. */
function formatPlayer(label: string, path: string): Html {
  // Safari shows a frame of an unplayed clip only where a moment is asked for.
  return html`<div class="stage"><noscript><video preload="metadata" controls playsinline src="${path}#t=0.001" aria-label="${label}"></video></noscript><p class="gone" hidden>The clip is not where it was when this report was written.</p></div>`;
}

/** Why a job has no clip, a paragraph a line. */
function formatReason(job: JobReport): Html {
  const lines = job.error === null ? [stateWord(job.state)] : reasonLines(job);
  return html`<div class="reason">${lines.map((line) => html`<p dir="auto">${line}</p>`)}</div>`;
}

/** The head of the gallery: what ran, how it ended, what it cost. */
function formatSummary(report: RunReport): Html {
  const startedAt = report.started_at.replace(/^(.{10})T(.{5}).*/, '$1 $2 UTC');
  return html`<header class="top wrap">
<p class="line"><b>evolink run</b><span>${startedAt}</span>${runFlags(report).map((flag) => html`<span class="flag">${flag}</span>`)}<span>${runEnd(report)}</span></p>
<h1 dir="auto">${runTitle(report)}</h1>
<dl class="line sums">${runTotals(report).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
${formatNotes([...reasonLines(report), ...report.warnings])}
</header>
`;
}

/** Jobs without a clip that a person must look at, with reasons; empty where there are none. */
function formatTroubles(jobs: readonly JobReport[]): Part {
  const items = jobs.flatMap((job, index) => {
    const name = html`<a href="#job-${index + 1}" dir="auto">${job.name}</a><br><small>${job.file}:${job.line}</small>`;
    return isTrouble(job) ? html`<li><div>${name}</div>${formatReason(job)}</li>` : [];
  });
  return (
    items.length > 0 &&
    html`<section class="trouble"><h2>What needs attention</h2><ul tabindex="0" aria-label="What needs attention">${items}</ul></section>\n`
  );
}

/** Search and filter. Hidden until the script that they need runs. */
function formatTools(jobs: readonly JobReport[]): Html {
  const states = countStates(jobs).map(
    ({ state, count }) =>
      html`<label><input type="radio" name="state" value="${state}"> ${stateWord(state)} ${count}</label>`,
  );
  return html`<div class="tools" hidden><form class="wrap" role="search" autocomplete="off">
<input name="search" type="search" aria-label="Search" placeholder="Search names, prompts, files  ( / )" spellcheck="false">
<fieldset aria-label="State"><label><input type="radio" name="state" value="" checked> All</label>${states}</fieldset>
${formatSelect('quality', 'All qualities', new Set(jobs.map(({ settings }) => settings?.quality ?? '')))}
${formatSelect('ratio', 'All ratios', new Set(jobs.map(({ settings }) => settings?.aspect_ratio ?? '')))}
<output aria-live="polite"></output><button type="button" class="theme">Light / dark</button>
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
<title>${runTitle(report)} – evolink</title>
<style>${{ markup: GALLERY_STYLE }}</style>
</head>
<body>
${formatSummary(report)}<main>
<div class="wrap">${formatTroubles(jobs)}</div>
${formatTools(jobs)}<section class="wrap" aria-label="Jobs">
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
