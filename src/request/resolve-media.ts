import { type Findings, problemAt } from './findings.ts';
import { MEDIA_COUNTS, MEDIA_KINDS, type MediaKind } from './limits.ts';
import { publicUrlProblem, toAsciiUrl } from './public-url.ts';
import type { ModelChoice } from './resolve-model.ts';
import type { Operation, RequestDraft, Sourced } from './types.ts';

export interface MediaOptions {
  /** Takes paths of local files beside URLs; they are checked and uploaded later. */
  readonly allowLocalMedia?: boolean | undefined;
  /** Takes URLs on loopback: for an API that itself runs there. */
  readonly allowLoopback?: boolean | undefined;
}

export type ResolvedMedia = Readonly<Record<MediaKind, readonly string[]>>;

function draftMedia(draft: RequestDraft, kind: MediaKind): readonly Sourced<unknown>[] {
  return { image: draft.images, video: draft.videos, audio: draft.audios }[kind] ?? [];
}

function countOf(count: number, kind: MediaKind): string {
  const noun = kind === 'audio' ? 'audio file' : kind;
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** The command that takes media of a kind in a number; `ref` takes the most. */
function commandFor(kind: MediaKind): string {
  return kind === 'image' ? '`evolink i2v` (first and last frame) or `evolink ref`' : '`evolink ref`';
}

function countMessage(operation: Operation, kind: MediaKind, count: number): string | undefined {
  const { min, max } = MEDIA_COUNTS[operation][kind];
  if (count <= max) return undefined;
  const noun = kind === 'audio' ? 'audio' : `${kind}s`;
  if (max === 0) return `\`evolink ${operation}\` takes no ${noun}; use ${commandFor(kind)}`;
  const range = `${min} to ${countOf(max, kind)}, not ${count}`;
  return operation === 'i2v' ? `must be ${range}; for more, use \`evolink ref\`` : `must be ${range}`;
}

function checkCounts(draft: RequestDraft, model: ModelChoice, findings: Findings): void {
  for (const kind of MEDIA_KINDS) {
    const media = draftMedia(draft, kind);
    const { max } = MEDIA_COUNTS[draft.operation][kind];
    const surplus = media[max];
    const message = countMessage(draft.operation, kind, media.length);
    if (surplus === undefined || message === undefined) continue;
    // Another model may take more of a kind, but no model takes what its operation has no field for.
    const report = model.isUnknown && max > 0 ? findings.warnings : findings.problems;
    report.push(problemAt(surplus, message));
  }
}

function checkTogether(draft: RequestDraft, findings: Findings): void {
  const images = draftMedia(draft, 'image');
  const audio = draftMedia(draft, 'audio')[0];
  if (draft.operation === 'i2v' && images.length === 0) {
    const message = 'is missing: `evolink i2v` starts from a picture; give one with --image';
    findings.problems.push({ source: 'images', message });
  }
  if (draft.operation !== 'ref' || images.length > 0 || draftMedia(draft, 'video').length > 0) return;
  if (audio !== undefined) {
    findings.problems.push(problemAt(audio, 'cannot stand alone: give at least one image or video with it'));
    return;
  }
  const message =
    'are missing: without any, `evolink t2v` does the same, and the guide of the service calls it cheaper';
  findings.warnings.push({ source: 'references', message });
}

function localProblem(text: string): string | undefined {
  if (text.includes('\0')) return 'must not hold a NUL character';
  if (/^data:/i.test(text))
    return 'must be an http:// or https:// URL or a file; Base64 data is not accepted';
  if (/^file:/i.test(text)) return 'must be a plain path, without file:';
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(text)) return 'must be an http:// or https:// URL or a file';
  return undefined;
}

function resolveItem(at: Sourced<unknown>, options: MediaOptions, findings: Findings): string | undefined {
  if (typeof at.value !== 'string' || at.value.trim() === '') {
    const file = options.allowLocalMedia === true ? ' or the path of a file' : '';
    findings.problems.push(problemAt(at, `must be a URL${file}`));
    return undefined;
  }
  const isLocal = options.allowLocalMedia === true && !/^https?:/i.test(at.value);
  const urlOptions = { schemes: ['http', 'https'], allowLoopback: options.allowLoopback } as const;
  const message = isLocal ? localProblem(at.value) : publicUrlProblem(at.value, urlOptions);
  if (message === undefined) return isLocal ? at.value : toAsciiUrl(at.value);
  findings.problems.push(problemAt(at, message));
  return undefined;
}

/** Checks number, combination and form of all reference media. Local files are not opened here. */
export function resolveMedia(
  draft: RequestDraft,
  rule: { readonly model: ModelChoice; readonly options: MediaOptions },
  findings: Findings,
): ResolvedMedia {
  checkCounts(draft, rule.model, findings);
  checkTogether(draft, findings);
  const resolve = (kind: MediaKind): readonly string[] =>
    draftMedia(draft, kind).flatMap((at) => resolveItem(at, rule.options, findings) ?? []);
  return { image: resolve('image'), video: resolve('video'), audio: resolve('audio') };
}
