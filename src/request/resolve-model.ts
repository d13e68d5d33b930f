import { type Findings, problemAt } from './findings.ts';
import {
  findModel,
  MODELS,
  type ModelRow,
  modelFor,
  OPERATION_NAMES,
  operationOfModel,
  REQUEST_DEFAULTS,
  TIERS,
  type Tier,
} from './models.ts';
import { nearest } from './nearest.ts';
import type { Operation, RequestDraft, Sourced } from './types.ts';

export interface ModelChoice {
  /** Absent where the choice itself is wrong. */
  readonly id?: string | undefined;
  readonly row?: ModelRow | undefined;
  /** A well-formed id that the table does not hold: its limits are not known, the API decides. */
  readonly isUnknown: boolean;
}

const NO_MODEL: ModelChoice = { isUnknown: false };

function isTier(value: unknown): value is Tier {
  return TIERS.some((tier) => tier === value);
}

function resolveTier(tier: Sourced<unknown> | undefined, findings: Findings): Tier | undefined {
  if (tier === undefined) return REQUEST_DEFAULTS.tier;
  if (isTier(tier.value)) return tier.value;
  const suggestion = typeof tier.value === 'string' ? nearest(tier.value, TIERS) : undefined;
  findings.problems.push(problemAt(tier, `must be one of ${TIERS.join(', ')}`, suggestion));
  return undefined;
}

function otherOperation(model: string, operation: Operation, wanted: Operation): string {
  const row = findModel(model);
  const right = row === undefined ? undefined : modelFor(wanted, row.tier)?.id;
  const instead = right === undefined ? '' : `, or the model ${right}`;
  return `is a model for ${OPERATION_NAMES[operation]}, not for ${OPERATION_NAMES[wanted]}; use \`evolink ${operation}\`${instead}`;
}

/** Why a model cannot do an operation, naming the command that can; undefined where it fits or nothing is known. */
export function operationConflict(model: string, wanted: Operation): string | undefined {
  const operation = operationOfModel(model);
  return operation === undefined || operation === wanted
    ? undefined
    : otherOperation(model, operation, wanted);
}

function resolveUnknownModel(draft: RequestDraft, at: Sourced<unknown>, findings: Findings): ModelChoice {
  const id = String(at.value);
  const ids = MODELS.filter((model) => model.operation === draft.operation).map((model) => model.id);
  const message =
    'is not a model this version knows: its own limits and price are not checked, the API decides';
  findings.warnings.push(problemAt(at, message, nearest(id, ids)));
  const conflict = operationConflict(id, draft.operation);
  if (conflict !== undefined) findings.warnings.push(problemAt(at, conflict));
  if (draft.tier !== undefined) {
    findings.problems.push(
      problemAt(draft.tier, `says nothing about the model ${id}; leave one of the two out`),
    );
  }
  return { id, isUnknown: true };
}

function resolveKnownModel(draft: RequestDraft, row: ModelRow, findings: Findings): ModelChoice {
  const conflict = operationConflict(row.id, draft.operation);
  if (conflict !== undefined && draft.model !== undefined) {
    findings.problems.push(problemAt(draft.model, conflict));
    return NO_MODEL;
  }
  if (
    draft.tier !== undefined &&
    resolveTier(draft.tier, findings) !== row.tier &&
    isTier(draft.tier.value)
  ) {
    const message = `does not fit the model ${row.id}, which is of tier ${row.tier}; leave one of the two out`;
    findings.problems.push(problemAt(draft.tier, message));
  }
  return { id: row.id, row, isUnknown: false };
}

/** Chooses the model from what was asked for: an id, or a tier, or nothing (tier standard). */
export function resolveModel(draft: RequestDraft, findings: Findings): ModelChoice {
  const at = draft.model;
  if (at === undefined) {
    const tier = resolveTier(draft.tier, findings);
    const row = tier === undefined ? undefined : modelFor(draft.operation, tier);
    return { id: row?.id, row, isUnknown: false };
  }
  if (typeof at.value !== 'string' || !/^[^\s\p{C}]+$/u.test(at.value)) {
    findings.problems.push(problemAt(at, 'must be a model id, such as seedance-2.0-text-to-video'));
    return NO_MODEL;
  }
  const row = findModel(at.value);
  return row === undefined
    ? resolveUnknownModel(draft, at, findings)
    : resolveKnownModel(draft, row, findings);
}
