export type SandboxOperation = 'text-to-video' | 'image-to-video' | 'reference-to-video';
export type SandboxTier = 'standard' | 'fast' | 'mini';

/** One model as this server knows it: the service's documents, read on their own and not from the client's tables. */
export interface ModelRow {
  readonly id: string;
  readonly operation: SandboxOperation;
  readonly tier: SandboxTier;
  readonly qualities: readonly string[];
  readonly hasWebSearch: boolean;
}

const ALL_QUALITIES = ['480p', '720p', '1080p', '4k'];
const SMALL_QUALITIES = ['480p', '720p'];

const row = (id: string, facts: Omit<ModelRow, 'id'>): ModelRow => ({ id, ...facts });

export const MODEL_ROWS: readonly ModelRow[] = [
  row('seedance-2.0-text-to-video', {
    operation: 'text-to-video',
    tier: 'standard',
    qualities: ALL_QUALITIES,
    hasWebSearch: true,
  }),
  row('seedance-2.0-image-to-video', {
    operation: 'image-to-video',
    tier: 'standard',
    qualities: ALL_QUALITIES,
    hasWebSearch: false,
  }),
  row('seedance-2.0-reference-to-video', {
    operation: 'reference-to-video',
    tier: 'standard',
    qualities: ALL_QUALITIES,
    hasWebSearch: false,
  }),
  row('seedance-2.0-fast-text-to-video', {
    operation: 'text-to-video',
    tier: 'fast',
    qualities: SMALL_QUALITIES,
    hasWebSearch: true,
  }),
  row('seedance-2.0-fast-image-to-video', {
    operation: 'image-to-video',
    tier: 'fast',
    qualities: SMALL_QUALITIES,
    hasWebSearch: false,
  }),
  row('seedance-2.0-fast-reference-to-video', {
    operation: 'reference-to-video',
    tier: 'fast',
    qualities: SMALL_QUALITIES,
    hasWebSearch: false,
  }),
  row('seedance-2.0-mini-text-to-video', {
    operation: 'text-to-video',
    tier: 'mini',
    qualities: SMALL_QUALITIES,
    hasWebSearch: false,
  }),
  row('seedance-2.0-mini-image-to-video', {
    operation: 'image-to-video',
    tier: 'mini',
    qualities: SMALL_QUALITIES,
    hasWebSearch: false,
  }),
  row('seedance-2.0-mini-reference-to-video', {
    operation: 'reference-to-video',
    tier: 'mini',
    qualities: SMALL_QUALITIES,
    hasWebSearch: false,
  }),
];

/** Rows for ids that only this server instance offers; the operation is read from the end of the id. */
export function toExtraRow(id: string): ModelRow | undefined {
  const operations: SandboxOperation[] = ['text-to-video', 'image-to-video', 'reference-to-video'];
  const operation = operations.find((each) => id.endsWith(`-${each}`));
  if (operation === undefined) return undefined;
  return row(id, {
    operation,
    tier: 'standard',
    qualities: ALL_QUALITIES,
    hasWebSearch: operation === 'text-to-video',
  });
}
