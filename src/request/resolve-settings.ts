import { type Findings, problemAt } from './findings.ts';
import { DURATION_SECONDS } from './limits.ts';
import { ASPECT_RATIOS, MODELS, QUALITIES, REQUEST_DEFAULTS, TIERS } from './models.ts';
import { nearest } from './nearest.ts';
import type { ModelChoice } from './resolve-model.ts';
import type { RequestDraft, Sourced } from './types.ts';

/** Where a limit of the known models is not kept: an error for them, a warning for a model with limits of its own. */
function reportLimit(findings: Findings, model: ModelChoice): Findings['problems'] {
  return model.isUnknown ? findings.warnings : findings.problems;
}

export function resolveDuration(
  draft: RequestDraft,
  model: ModelChoice,
  findings: Findings,
): number | undefined {
  const at = draft.duration;
  if (at === undefined) return REQUEST_DEFAULTS.durationSeconds;
  const range = `must be a whole number of seconds from ${DURATION_SECONDS.min} to ${DURATION_SECONDS.max}`;
  if (typeof at.value !== 'number' || !Number.isSafeInteger(at.value) || at.value < 1) {
    const isQuoted = typeof at.value === 'string' && /^\d+$/.test(at.value);
    findings.problems.push(problemAt(at, isQuoted ? `${range}, without quotes` : range));
    return undefined;
  }
  if (at.value < DURATION_SECONDS.min || at.value > DURATION_SECONDS.max) {
    reportLimit(findings, model).push(problemAt(at, range));
  }
  return at.value;
}

interface EnumRule {
  readonly allowed: readonly string[];
  readonly fallback: string;
  readonly model: ModelChoice;
}

function enumProblem(at: Sourced<unknown>, allowed: readonly string[]) {
  const isNumber = typeof at.value === 'number';
  const message = `must be one of ${allowed.join(', ')}${isNumber ? ', in quotes' : ''}`;
  return problemAt(
    at,
    message,
    nearest(typeof at.value === 'string' || isNumber ? String(at.value) : '', allowed),
  );
}

function resolveEnum(
  at: Sourced<unknown> | undefined,
  rule: EnumRule,
  findings: Findings,
): string | undefined {
  if (at === undefined) return rule.fallback;
  if (typeof at.value === 'string' && rule.allowed.includes(at.value)) return at.value;
  const isText = typeof at.value === 'string' && at.value.trim() !== '';
  const report = isText ? reportLimit(findings, rule.model) : findings.problems;
  report.push(enumProblem(at, rule.allowed));
  return typeof at.value === 'string' ? at.value : undefined;
}

/** The quality, checked against the list of the model's tier. */
export function resolveQuality(
  draft: RequestDraft,
  model: ModelChoice,
  findings: Findings,
): string | undefined {
  const at = draft.quality;
  const row = model.row;
  const quality = QUALITIES.find((known) => known === at?.value);
  if (at !== undefined && row !== undefined && quality !== undefined && !row.qualities.includes(quality)) {
    const tiers = TIERS.filter((tier) =>
      MODELS.some(
        (other) =>
          other.operation === row.operation && other.tier === tier && other.qualities.includes(quality),
      ),
    );
    const message = `must be one of ${row.qualities.join(', ')} in tier ${row.tier}; ${quality} needs tier ${tiers.join(' or ')}`;
    findings.problems.push(problemAt(at, message));
    return undefined;
  }
  const allowed = row?.qualities ?? QUALITIES;
  return resolveEnum(at, { allowed, fallback: REQUEST_DEFAULTS.quality, model }, findings);
}

export function resolveAspectRatio(
  draft: RequestDraft,
  model: ModelChoice,
  findings: Findings,
): string | undefined {
  const rule = { allowed: ASPECT_RATIOS, fallback: REQUEST_DEFAULTS.aspectRatio, model };
  return resolveEnum(draft.aspectRatio, rule, findings);
}

/** A yes-or-no setting; the fallback where it was not named or is wrong. */
export function resolveBoolean<T>(
  at: Sourced<unknown> | undefined,
  fallback: T,
  findings: Findings,
): boolean | T {
  if (at === undefined) return fallback;
  if (typeof at.value === 'boolean') return at.value;
  const isQuoted = typeof at.value === 'string' && /^(true|false)$/i.test(at.value);
  findings.problems.push(problemAt(at, `must be true or false${isQuoted ? ', without quotes' : ''}`));
  return fallback;
}

/** Web search exists for text-to-video of two tiers, and not without the content filter. Absent = not sent. */
export function resolveWebSearch(
  draft: RequestDraft,
  model: ModelChoice,
  findings: Findings,
): boolean | undefined {
  const at = draft.webSearch;
  const webSearch = resolveBoolean(at, undefined, findings);
  if (at === undefined) return webSearch;
  const limit = reportLimit(findings, model);
  const hasWebSearch = model.row?.hasWebSearch ?? draft.operation === 't2v';
  if (!hasWebSearch) {
    const tiers = MODELS.filter((row) => row.hasWebSearch).map((row) => row.tier);
    limit.push(
      problemAt(at, `exists only for \`evolink t2v\` with tier ${tiers.join(' or ')}; leave it out`),
    );
  }
  if (webSearch === true && draft.contentFilter?.value === false) {
    const message = `cannot go together with content_filter false (${draft.contentFilter.source}); leave one of the two out`;
    limit.push(problemAt(at, message));
  }
  return webSearch;
}
