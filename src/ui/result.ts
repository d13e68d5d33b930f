import type { MediaFacts } from '../config/output-pattern.ts';
import { quoteCommand, toHumanPath } from '../platform/command-text.ts';
import { sanitizeServerText } from '../platform/text.ts';
import type { TaskResult } from '../task/events.ts';
import { formatBytes, formatCreditsSpent, formatLocalTime, formatRelative, formatSeconds } from './format.ts';
import type { Theme } from './theme.ts';

interface ResultContext {
  readonly theme: Theme;
  readonly nowMs: number;
  /** Absent for a log. On a screen lines without a path are broken at spaces. */
  readonly screen?:
    | {
        readonly wrap: (line: string) => string;
        /** False where the path stands on the same screen anyway, as the result on stdout. */
        readonly showsPath: boolean;
      }
    | undefined;
}

/** The last words on stderr after a success, ending in a newline. */
export function formatResult(result: TaskResult, context: ResultContext): string {
  const lines = result.state === 'pending' ? formatSubmitted(result, context) : formatSaved(result, context);
  return lines.map((line) => `${line}\n`).join('');
}

/** What a script reads on stdout: the saved path or the task id, one line; empty when the video itself went there. */
export function formatResultForScripts(result: TaskResult): string {
  const value = result.state === 'pending' ? submittedId(result) : result.path;
  return value === undefined ? '' : `${value}\n`;
}

function formatSubmitted(result: TaskResult, context: ResultContext): string[] {
  const id = sanitizeServerText(submittedId(result) ?? '');
  const credits = formatCreditsSpent(result);
  const { next } = result;
  return [
    `${formatLabel('submitted', context)} ${id}${credits === undefined ? '' : ` (${credits})`}`,
    ...(next === undefined
      ? []
      : [
          `${context.theme.accent('hint:')} \`${sanitizeServerText(quoteCommand(next))}\` saves the clip once it is finished; its link then lives 24 h`,
        ]),
  ];
}

function submittedId({ taskId, localId }: TaskResult): string | undefined {
  return taskId ?? localId;
}

function formatSaved(result: TaskResult, context: ResultContext): string[] {
  const { theme, nowMs, screen } = context;
  const label = formatLabel(result.state === 'skipped' ? 'kept' : 'saved', context);
  const path = (screen?.showsPath ?? true) ? result.path : undefined;
  const facts = describeFile(result, theme);
  // A clip that was kept cost nothing now.
  const credits = result.state === 'skipped' ? undefined : formatCreditsSpent(result);
  const prose = [
    path === undefined ? `${label} ${facts}` : `  ${facts}`,
    ...(credits === undefined ? [] : [`  ${credits}`]),
    ...(result.linkExpiresAtMs === undefined ? [] : [`  ${describeLink(result.linkExpiresAtMs, nowMs)}`]),
  ].map((line) => screen?.wrap(line) ?? line);
  return path === undefined ? prose : [`${label} ${toHumanPath(path)}`, ...prose];
}

function formatLabel(word: string, { theme, screen }: ResultContext): string {
  return theme.success(screen === undefined ? `${word}:` : `${theme.symbols.success} ${word}:`);
}

function describeLink(expiresAtMs: number, nowMs: number): string {
  const verb = expiresAtMs > nowMs ? 'lives until' : 'ended';
  return `link ${verb} ${formatLocalTime(expiresAtMs)} (${formatRelative(expiresAtMs, nowMs)})`;
}

function describeFile(result: TaskResult, theme: Theme): string {
  const parts = [
    result.state === 'skipped' ? 'the file exists already' : undefined,
    result.state === 'saved' && result.path === undefined ? 'written to stdout' : undefined,
    result.sizeBytes === undefined ? undefined : formatBytes(result.sizeBytes),
    ...(result.media === undefined ? [] : describeMedia(result.media, theme)),
  ];
  return parts.filter((part) => part !== undefined).join(', ');
}

function describeMedia(media: MediaFacts, theme: Theme): string[] {
  const pixels =
    media.widthPx === undefined || media.heightPx === undefined
      ? []
      : [`${media.widthPx}${theme.symbols.times}${media.heightPx}`];
  return [formatSeconds(media.durationSeconds), ...pixels, media.hasAudio ? 'with sound' : 'without sound'];
}
