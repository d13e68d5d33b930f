export const OPERATIONS = ['t2v', 'i2v', 'ref'] as const;

export const TIERS = ['standard', 'fast', 'mini'] as const;
export type Tier = (typeof TIERS)[number];

export const QUALITIES = ['480p', '720p', '1080p', '4k'] as const;
export type Quality = (typeof QUALITIES)[number];

export const ASPECT_RATIOS = ['16:9', '9:16', '1:1', '4:3', '3:4', '21:9', 'adaptive'] as const;
export type AspectRatio = (typeof ASPECT_RATIOS)[number];

/** What is sent where nobody named a setting. The specs' defaults; `web_search` is left out instead. */
export const REQUEST_DEFAULTS = {
  tier: 'standard',
  durationSeconds: 5,
  quality: '720p',
  aspectRatio: '16:9',
  generateAudio: true,
  contentFilter: true,
} as const satisfies {
  tier: Tier;
  durationSeconds: number;
  quality: Quality;
  aspectRatio: AspectRatio;
  generateAudio: boolean;
  contentFilter: boolean;
};

type OperationId = (typeof OPERATIONS)[number];

/** Names of the operations as model ids spell them. */
export const OPERATION_NAMES = {
  t2v: 'text-to-video',
  i2v: 'image-to-video',
  ref: 'reference-to-video',
} as const satisfies Record<OperationId, string>;

export interface ModelRow {
  readonly id: string;
  readonly operation: OperationId;
  readonly tier: Tier;
  readonly qualities: readonly Quality[];
  /** Whether `model_params.web_search` exists for it. */
  readonly hasWebSearch: boolean;
}

const UP_TO_720P = ['480p', '720p'] as const satisfies readonly Quality[];

/** Every model this version knows. Adding a model is adding a row (and its price in `prices.ts`). */
// biome-ignore format: one row a model
export const MODELS: readonly ModelRow[] = [
  { id: 'seedance-2.0-text-to-video',           operation: 't2v', tier: 'standard', qualities: QUALITIES,  hasWebSearch: true },
  { id: 'seedance-2.0-image-to-video',          operation: 'i2v', tier: 'standard', qualities: QUALITIES,  hasWebSearch: false },
  { id: 'seedance-2.0-reference-to-video',      operation: 'ref', tier: 'standard', qualities: QUALITIES,  hasWebSearch: false },
  { id: 'seedance-2.0-fast-text-to-video',      operation: 't2v', tier: 'fast',     qualities: UP_TO_720P, hasWebSearch: true },
  { id: 'seedance-2.0-fast-image-to-video',     operation: 'i2v', tier: 'fast',     qualities: UP_TO_720P, hasWebSearch: false },
  { id: 'seedance-2.0-fast-reference-to-video', operation: 'ref', tier: 'fast',     qualities: UP_TO_720P, hasWebSearch: false },
  { id: 'seedance-2.0-mini-text-to-video',      operation: 't2v', tier: 'mini',     qualities: UP_TO_720P, hasWebSearch: false },
  { id: 'seedance-2.0-mini-image-to-video',     operation: 'i2v', tier: 'mini',     qualities: UP_TO_720P, hasWebSearch: false },
  { id: 'seedance-2.0-mini-reference-to-video', operation: 'ref', tier: 'mini',     qualities: UP_TO_720P, hasWebSearch: false },
];

/** The row of a model id, or undefined for an id the table does not hold. */
export function findModel(id: string): ModelRow | undefined {
  return MODELS.find((model) => model.id === id);
}

/** The model that makes an operation in a tier; undefined where no row does. */
export function modelFor(operation: OperationId, tier: Tier): ModelRow | undefined {
  return MODELS.find((model) => model.operation === operation && model.tier === tier);
}

/** The operation a model id stands for: by the table, else by the ending that ids share (`…-image-to-video`). */
export function operationOfModel(id: string): OperationId | undefined {
  return findModel(id)?.operation ?? OPERATIONS.find((key) => id.endsWith(`-${OPERATION_NAMES[key]}`));
}
