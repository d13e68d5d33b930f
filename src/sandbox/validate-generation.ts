import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { ApiProblem } from './api-problem.ts';
import type { ModelRow, SandboxOperation } from './model-rows.ts';
import imageSchema from './schemas/image-to-video.json' with { type: 'json' };
import referenceSchema from './schemas/reference-to-video.json' with { type: 'json' };
import textSchema from './schemas/text-to-video.json' with { type: 'json' };

/** The body after validation, with the documents' defaults filled in. */
export interface GenerationBody {
  readonly model: string;
  readonly prompt: string;
  readonly image_urls?: readonly string[];
  readonly video_urls?: readonly string[];
  readonly audio_urls?: readonly string[];
  readonly duration: number;
  readonly quality: string;
  readonly aspect_ratio: string;
  readonly generate_audio: boolean;
  readonly content_filter: boolean;
  readonly model_params?: { readonly web_search?: boolean };
  readonly callback_url?: string;
}

const SCHEMAS = {
  'text-to-video': textSchema,
  'image-to-video': imageSchema,
  'reference-to-video': referenceSchema,
};
const MAX_PROMPT_TOKENS = 10_000;

export interface GenerationValidator {
  /**
   * Checks a body by the schema of its model's operation and by what the documents say beyond the schema.
   * Addresses are not looked at.
   * @throws ApiProblem 400 with the field, 403 for a model that this server does not offer.
   */
  check(body: Record<string, unknown>): { readonly row: ModelRow; readonly body: GenerationBody };
}

/** Compiles the documents' request schemas; each is used for every tier of its operation. */
export function createGenerationValidator(rows: readonly ModelRow[]): GenerationValidator {
  const ajv = new Ajv({
    useDefaults: true,
    strict: true,
    formats: { uri: (text: string) => URL.canParse(text) },
  });
  const compiled = new Map<SandboxOperation, ValidateFunction<GenerationBody>>();

  const validatorOf = (operation: SandboxOperation): ValidateFunction<GenerationBody> => {
    const known = compiled.get(operation);
    if (known !== undefined) return known;
    const schema = SCHEMAS[operation];
    // The documents list one model each; which others exist is a matter of the model rows.
    const anyModel = { ...schema, properties: { ...schema.properties, model: { type: 'string' } } };
    const made = ajv.compile<GenerationBody>(anyModel);
    compiled.set(operation, made);
    return made;
  };

  return {
    check: (given) => {
      const row = findRow(rows, given.model);
      const validate = validatorOf(row.operation);
      const body: unknown = structuredClone(given);
      if (!validate(body)) throw toProblem(validate.errors?.[0]);
      checkBeyondSchema(row, body);
      return { row, body };
    },
  };
}

function findRow(rows: readonly ModelRow[], model: unknown): ModelRow {
  if (typeof model !== 'string' || model === '')
    throw invalid('model', 'model is required and must be a string');
  const row = rows.find((each) => each.id === model);
  if (row === undefined)
    throw new ApiProblem(403, 'model_access_denied', `Token does not have access to model: ${model}`);
  return row;
}

function checkBeyondSchema(row: ModelRow, body: GenerationBody): void {
  if (body.prompt.trim() === '') throw invalid('prompt', 'prompt must not be empty');
  if (countTokens(body.prompt) > MAX_PROMPT_TOKENS)
    throw invalid('prompt', `prompt is longer than ${MAX_PROMPT_TOKENS} tokens`);
  if (!row.qualities.includes(body.quality)) {
    throw invalid('quality', `quality must be one of ${row.qualities.join(', ')} for ${row.id}`);
  }
  const hasVisual = (body.image_urls?.length ?? 0) + (body.video_urls?.length ?? 0) > 0;
  if ((body.audio_urls?.length ?? 0) > 0 && !hasVisual) {
    throw invalid('audio_urls', 'audio_urls needs at least one image or video with it');
  }
  if (body.model_params !== undefined && !row.hasWebSearch) {
    throw invalid('model_params', `model_params is not supported by ${row.id}`);
  }
  if (body.model_params?.web_search === true && !body.content_filter) {
    throw invalid('model_params.web_search', 'web_search cannot be used with content_filter: false');
  }
}

/** A rough count: one token a wide character, one for four others. The service's own tokenizer is not public. */
function countTokens(text: string): number {
  let tokens = 0;
  for (const character of text) tokens += /[\u1100-\uffff]/u.test(character) ? 1 : 0.25;
  return tokens;
}

function toProblem(error: ErrorObject | undefined): ApiProblem {
  const path = (error?.instancePath ?? '').slice(1).replaceAll('/', '.');
  const named = error?.params.missingProperty ?? error?.params.additionalProperty;
  const param = [path, named].filter((part) => typeof part === 'string' && part !== '').join('.');
  if (error?.keyword === 'additionalProperties')
    return invalid(param, `${param} is not a parameter of this model`);
  if (error?.keyword === 'required') return invalid(param, `${param} is required`);
  const allowed = Array.isArray(error?.params.allowedValues)
    ? `: ${error.params.allowedValues.join(', ')}`
    : '';
  return invalid(param, `${param} ${error?.message ?? 'is invalid'}${allowed}`);
}

function invalid(param: string, message: string): ApiProblem {
  return new ApiProblem(400, 'invalid_parameter', message, param);
}
