import type { JobReport, JobState } from '../jobs/run-report.ts';
import { formatBytes, formatDuration } from '../ui/format.ts';
import { clipAddress, relativePath } from './clip-address.ts';
import { escapeHtml } from './escape-html.ts';
import { creditWords, reasonLines, STATE_WORDS, savedClip, settingWords } from './job-words.ts';

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

export interface CardOptions {
  /** Absolute folder of the page. */
  readonly folder: string;
  /** 1-based place in the report; makes the card's id. */
  readonly number: number;
  /** False: the player is made by the page's script when the card comes near; without script it is there at once. */
  readonly isEager: boolean;
}

/** One job of the gallery: the clip, or why there is none, and what made it. */
export function formatCard(job: JobReport, options: CardOptions): string {
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
export function formatState(state: JobState, count?: number): string {
  const words = count === undefined ? STATE_WORDS[state] : `${count} ${STATE_WORDS[state]}`;
  return `<span class="state is-${state}"><i data-mark="${MARKS[state]}" aria-hidden="true"></i>${words}</span>`;
}

/** Why a job has no clip, a paragraph a line. */
export function formatReason(job: JobReport): string {
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
