import type { JobReport, RunReport } from '../jobs/run-report.ts';
import { formatCredits, formatDuration } from '../ui/format.ts';
import { toIsoTime } from '../ui/json-document.ts';
import { escapeHtml } from './escape-html.ts';
import { formatReason, formatState } from './html-card.ts';
import { countStates, isTrouble, reasonLines, runTitle, STATE_WORDS } from './job-words.ts';

/** The head of the gallery: what ran, how it ended, what it cost. */
export function formatSummary(report: RunReport): string {
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
export function formatTroubles(jobs: readonly JobReport[]): string {
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
