import { BODY_KEYS, MODEL_PARAMS_KEYS } from './body-keys.ts';
import { type BodyMedia, readBodyMedia } from './body-media.ts';
import {
  type Body,
  type BodyReader,
  createBodyReader,
  describeKeyPath,
  type KeyPath,
} from './body-reader.ts';
import { describeValue } from './describe-value.ts';
import { problemAt } from './findings.ts';
import { findModel, OPERATION_NAMES, OPERATIONS, operationOfModel } from './models.ts';
import { nearest } from './nearest.ts';
import { operationConflict } from './resolve-model.ts';
import type { Operation, Problem, RequestDraft, Sourced } from './types.ts';

export interface DraftFromBodyOptions {
  /** The operation of the command, where one is fixed: a body that says another is a problem. */
  readonly operation?: Operation | undefined;
  /** Says where a key stands, for messages: `duration (job.yaml:7:5)`. */
  readonly describe?: ((keyPath: KeyPath) => string) | undefined;
}

export interface DraftFromBody {
  /** Absent where no operation is known. Present beside problems too, so that one more check can report the rest. */
  readonly draft?: RequestDraft | undefined;
  readonly problems: readonly Problem[];
}

function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkKeys(
  reader: BodyReader,
  object: Body,
  rule: { known: readonly string[]; under: KeyPath },
): void {
  for (const [key, value] of Object.entries(object)) {
    if (rule.known.includes(key)) continue;
    const message = `is not a known key; known are ${rule.known.join(', ')}`;
    reader.problems.push(
      problemAt({ value, source: reader.describe([...rule.under, key]) }, message, nearest(key, rule.known)),
    );
  }
}

function readType(reader: BodyReader): Operation | undefined {
  const type = reader.at('type');
  if (type === undefined) return undefined;
  const operation = OPERATIONS.find((known) => known === type.value);
  if (operation !== undefined) return operation;
  const byName = OPERATIONS.find((known) => OPERATION_NAMES[known] === type.value);
  const suggestion = byName ?? (typeof type.value === 'string' ? nearest(type.value, OPERATIONS) : undefined);
  reader.problems.push(problemAt(type, `must be one of ${OPERATIONS.join(', ')}`, suggestion));
  return undefined;
}

function readOperation(reader: BodyReader, command: Operation | undefined): Operation | undefined {
  const type = reader.at('type');
  const own = readType(reader);
  if (command !== undefined && own !== undefined && own !== command && type !== undefined) {
    reader.problems.push(problemAt(type, `belongs to \`evolink ${own}\`, not to \`evolink ${command}\``));
  }
  const model = reader.body.model;
  const operation = command ?? own ?? (typeof model === 'string' ? operationOfModel(model) : undefined);
  if (operation === undefined && type === undefined) {
    const message = `is missing: give ${OPERATIONS.join(', ')}, or a model that says it`;
    reader.problems.push({ source: reader.describe(['type']), message });
  }
  return operation;
}

/**
 * The model and the tier. A model of another operation is reported here and replaced by its tier: a `--tier` over it
 * would otherwise hide the mistake, and a later check would report it twice.
 */
function readModel(reader: BodyReader, operation: Operation): Pick<RequestDraft, 'model' | 'tier'> {
  const model = reader.at('model');
  const tier = reader.at('tier');
  const row = typeof model?.value === 'string' ? findModel(model.value) : undefined;
  const conflict = row === undefined ? undefined : operationConflict(row.id, operation);
  if (model === undefined || row === undefined || conflict === undefined) return { model, tier };
  reader.problems.push(problemAt(model, conflict));
  return { tier: tier ?? { value: row.tier, source: model.source } };
}

function readWebSearch(reader: BodyReader): Sourced<unknown> | undefined {
  const own = reader.at('web_search');
  const params = reader.at('model_params');
  if (params === undefined) return own;
  if (!isObject(params.value)) {
    reader.problems.push(problemAt(params, 'must be an object, such as {"web_search": true}'));
    return own;
  }
  checkKeys(reader, params.value, { known: MODEL_PARAMS_KEYS, under: ['model_params'] });
  if (!Object.hasOwn(params.value, 'web_search')) return own;
  const inner = { value: params.value.web_search, source: reader.describe(['model_params', 'web_search']) };
  if (own !== undefined) reader.problems.push(problemAt(own, `is given twice (also as ${inner.source})`));
  return inner;
}

function toDraft(reader: BodyReader, operation: Operation, media: BodyMedia): RequestDraft {
  return {
    operation,
    ...readModel(reader, operation),
    ...media,
    prompt: reader.at('prompt'),
    duration: reader.at('duration'),
    quality: reader.at('quality'),
    aspectRatio: reader.at('aspect_ratio'),
    generateAudio: reader.at('generate_audio'),
    contentFilter: reader.at('content_filter'),
    webSearch: readWebSearch(reader),
    callbackUrl: reader.at('callback_url'),
  };
}

/**
 * Reads a JSON body as the API documents it, or the request of a job, into a draft. Strict about keys (an unknown one is
 * a problem with the nearest spelling), about two keys for one thing and about lists; values are left to
 * `resolveRequest`. Never throws.
 */
export function draftFromBody(value: unknown, options: DraftFromBodyOptions = {}): DraftFromBody {
  const describe = options.describe ?? describeKeyPath;
  if (!isObject(value)) {
    const message = 'must be an object with keys such as prompt and duration';
    return { problems: [{ source: describe([]) || 'body', value: describeValue(value), message }] };
  }
  const reader = createBodyReader(value, describe);
  checkKeys(reader, value, { known: BODY_KEYS.map((row) => row.key), under: [] });
  const operation = readOperation(reader, options.operation);
  const media = readBodyMedia(reader, operation);
  if (operation === undefined) {
    readWebSearch(reader);
    return { problems: reader.problems };
  }
  return { draft: toDraft(reader, operation, media), problems: reader.problems };
}
