import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { VideoSource } from './clip-store.ts';
import type { SandboxContext } from './context.ts';
import { type Answer, ApiProblem, isRecord, jsonAnswer, readJsonBody } from './http.ts';
import {
  CREDITS_PER_SEARCH,
  MEDIA_RULES,
  type Model,
  outputPixels,
  realisticSeconds,
  reservedCredits,
} from './service-tables.ts';
import { type SandboxTask, sumCredits, toTaskObject } from './tasks.ts';
import {
  checkBody,
  checkCallbackUrl,
  checkMedia,
  type FindOwnFile,
  type GenerationBody,
} from './validate-request.ts';

const KEY_FORM = /^[A-Za-z0-9._-]{16,96}$/;

/**
 * `POST /v1/videos/generations`: checks, reserves credits, makes a task.
 * @throws ApiProblem 400, 402, 403, 409, 413
 */
export async function submitEndpoint(
  { request }: { readonly request: IncomingMessage },
  context: SandboxContext,
): Promise<Answer> {
  const { rules, tasks, random, faults } = context;
  const idempotencyKey = rules.hasIdempotency ? request.headers['idempotency-key']?.toString() : undefined;
  if (idempotencyKey !== undefined && !KEY_FORM.test(idempotencyKey)) {
    const message = 'Idempotency-Key must have 16 to 96 characters of A-Z a-z 0-9 . _ -';
    throw new ApiProblem(400, 'invalid_request', message, 'Idempotency-Key');
  }
  const given = await readJsonBody(request);
  const { model, body } = checkBody(given);
  const fingerprint = fingerprintOf(given);
  const earlier = idempotencyKey === undefined ? undefined : tasks.findByKey(idempotencyKey);
  if (earlier !== undefined && earlier.fingerprint !== fingerprint)
    throw new ApiProblem(409, 'idempotency_conflict', 'Idempotency-Key was used with another request body');
  if (earlier !== undefined) return jsonAnswer(200, asNew(earlier), { 'idempotency-replayed': 'true' });

  if (body.callback_url !== undefined) checkCallbackUrl(body.callback_url);
  const credits = reservedCredits(model, body, checkMedia(body, ownFiles(context)));
  const { used, held } = sumCredits(tasks.all());
  if (rules.startingCredits - used - held < credits)
    throw new ApiProblem(402, 'insufficient_quota', 'Insufficient quota. Please top up your account.');

  const seconds = realisticSeconds(model, body, random.next());
  // Each search that happens is billed, and takes its time.
  const searches = body.model_params?.web_search === true ? Math.floor(random.next() * 4) : 0;
  const { prompt, duration: durationSeconds, generate_audio: hasAudio, quality, aspect_ratio: ratio } = body;
  const size = { ...outputPixels(model, quality, ratio), durationSeconds, hasAudio, ratio, quality };
  const { id } = model;
  const clip = { ...size, prompt, model: id, sources: sourcesOf(model, body, context) };
  const task = tasks.create(
    {
      model: id,
      fingerprint,
      idempotencyKey,
      reservedCredits: credits,
      searchCredits: searches * CREDITS_PER_SEARCH,
      callbackUrl: body.callback_url,
      lifeMs: Math.round(((seconds + 3 * searches) * 1000) / rules.speed),
    },
    faults.take('task'),
    (taskId) => ({ ...clip, taskId }),
  );
  return jsonAnswer(200, asNew(task));
}

const asNew = (task: SandboxTask) => toTaskObject({ ...task, end: undefined }, task.createdAtMs, '');

/** SHA-256 over the body with its keys in order: what "the same request" means here. */
function fingerprintOf(body: unknown): string {
  const text = JSON.stringify(body, (_, value: unknown) =>
    isRecord(value) ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)) : value,
  );
  return createHash('sha256').update(text).digest('hex');
}

function ownFiles({ linkUrl, files, tasks }: SandboxContext): FindOwnFile {
  return (url) => {
    if (url.origin !== linkUrl()) return undefined;
    const result = tasks.atLink(url);
    if (result?.problem !== undefined) return 'gone';
    if (result === undefined) return files.find(url) ?? 'gone';
    const { widthPx, heightPx, durationSeconds: seconds } = result.task.spec;
    return { file_size: 0, facts: { mimeType: 'video/mp4', widthPx, heightPx, seconds } };
  };
}

/** What the clip shows of the request's media: own files with their place, others by name alone. Nothing is fetched. */
function sourcesOf(
  { operation }: Model,
  body: GenerationBody,
  { files, linkUrl }: SandboxContext,
): readonly VideoSource[] {
  return MEDIA_RULES.flatMap(({ field }) =>
    (body[field] ?? []).map((text, index): VideoSource => {
      const url = new URL(text);
      const upload = url.origin === linkUrl() ? files.find(url) : undefined;
      return {
        label: `${field.replace('_urls', '')} ${index + 1}`,
        note: upload?.original_name ?? url.hostname,
        picturePath: field === 'image_urls' ? upload?.path : undefined,
        role: operation !== 'image-to-video' ? undefined : index === 0 ? 'first' : 'last',
      };
    }),
  );
}
