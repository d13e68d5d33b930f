import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { VideoSource, VideoSpec } from './clip-store.ts';
import type { SandboxContext } from './context.ts';
import { type Answer, ApiProblem, isRecord, jsonAnswer, readJsonBody } from './http.ts';
import type { UploadFacts } from './media-facts.ts';
import {
  ADAPTIVE_RATIO,
  CREDITS_PER_SEARCH,
  type ModelRow,
  outputPixels,
  reservedCredits,
} from './service.ts';
import type { TaskOrder } from './task-book.ts';
import {
  linkProblem,
  parseLinkPath,
  realisticSeconds,
  type SandboxTask,
  sumCredits,
  toTaskObject,
} from './task-object.ts';
import { checkCallbackUrl, checkMediaUrls, type GenerationBody, type OwnFiles } from './validation.ts';

const KEY_FORM = /^[A-Za-z0-9._-]{16,96}$/;

/**
 * `POST /v1/videos/generations`: checks, reserves credits, makes a task.
 * @throws ApiProblem 400, 402, 403, 409, 413
 */
export async function submitEndpoint(request: IncomingMessage, context: SandboxContext): Promise<Answer> {
  const key = idempotencyKey(request, context);
  const given = await readJsonBody(request);
  const { row, body } = context.validator.check(given);
  const fingerprint = toFingerprint(given);
  const earlier = key === undefined ? undefined : context.tasks.findByKey(key);
  if (earlier !== undefined) return replay(earlier, fingerprint);

  if (body.callback_url !== undefined) checkCallbackUrl(body.callback_url);
  const inputSeconds = checkMediaUrls(body, ownFiles(context));
  const credits = reservedCredits({
    tier: row.tier,
    quality: body.quality,
    durationSeconds: body.duration,
    inputSeconds,
    contentFilter: body.content_filter,
  });
  checkBalance(credits, context);
  const order = toOrder({ row, body }, context);
  const task = context.tasks.create({ ...order, fingerprint, idempotencyKey: key, reservedCredits: credits });
  return jsonAnswer(
    200,
    toTaskObject(task, task.createdAtMs, () => []),
  );
}

function idempotencyKey(request: IncomingMessage, { rules }: SandboxContext): string | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined || !rules.hasIdempotency) return undefined;
  if (typeof key === 'string' && KEY_FORM.test(key)) return key;
  throw new ApiProblem(
    400,
    'invalid_request',
    'Idempotency-Key must have 16 to 96 characters of A-Z a-z 0-9 . _ -',
    'Idempotency-Key',
  );
}

/** The same answer as the first time. */
function replay(task: SandboxTask, fingerprint: string): Answer {
  if (task.fingerprint !== fingerprint) {
    throw new ApiProblem(409, 'idempotency_conflict', 'Idempotency-Key was used with another request body');
  }
  const asNew = toTaskObject({ ...task, end: undefined }, task.createdAtMs, () => []);
  return jsonAnswer(200, asNew, { 'idempotency-replayed': 'true' });
}

function checkBalance(credits: number, { tasks, rules }: SandboxContext): void {
  const { used, held } = sumCredits(tasks.all());
  if (rules.startingCredits - used - held >= credits) return;
  throw new ApiProblem(402, 'insufficient_quota', 'Insufficient quota. Please top up your account.');
}

/** SHA-256 over the body with its keys in order: what "the same request" means here. */
function toFingerprint(body: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sortKeys(body)))
    .digest('hex');
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (!isRecord(value)) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, each]) => [name, sortKeys(each)]);
}

function ownFiles({ linkUrl, uploads, tasks, clock }: SandboxContext): OwnFiles {
  return {
    find: (url) => {
      if (url.origin !== linkUrl()) return undefined;
      const name = parseLinkPath(url.pathname);
      if (name === undefined) return uploads.find(url.pathname.split('/')[2] ?? '') ?? 'gone';
      const task = tasks.find(name.taskId);
      if (task?.end?.status !== 'completed' || linkProblem(url, task, clock.now()) !== undefined)
        return 'gone';
      const { widthPx, heightPx, durationSeconds: seconds } = task.spec;
      return {
        mimeType: 'video/mp4',
        sizeBytes: 0,
        facts: { mimeType: 'video/mp4', widthPx, heightPx, seconds },
      };
    },
  };
}

interface CheckedRequest {
  readonly row: ModelRow;
  readonly body: GenerationBody;
}

function toOrder(
  { row, body }: CheckedRequest,
  context: SandboxContext,
): Omit<TaskOrder, 'fingerprint' | 'reservedCredits'> {
  const { random, rules } = context;
  const sources = toSources({ row, body }, context);
  const hasWebSearch = body.model_params?.web_search === true;
  const seconds = realisticSeconds({
    tier: row.tier,
    quality: body.quality,
    durationSeconds: body.duration,
    hasWebSearch,
    chance: random.next(),
  });
  const searches = hasWebSearch ? Math.floor(random.next() * 4) : 0;
  return {
    model: row.id,
    searchCredits: searches * CREDITS_PER_SEARCH,
    callbackUrl: body.callback_url,
    lifeMs: Math.round((seconds * 1000) / rules.speed),
    toSpec: (taskId) =>
      toSpec({ row, body }, { sources, taskId: rules.clip === 'shared' ? undefined : taskId }),
  };
}

/** What to film. A shared clip is the same for all requests of one size, length and sound. */
function toSpec(
  { row, body }: CheckedRequest,
  { sources, taskId }: { readonly sources: readonly VideoSource[]; readonly taskId: string | undefined },
): VideoSpec {
  const isShared = taskId === undefined;
  return {
    ...outputPixels(body.aspect_ratio, body.quality),
    durationSeconds: body.duration,
    hasAudio: body.generate_audio,
    prompt: isShared ? 'evolink sandbox' : body.prompt,
    ratio: body.aspect_ratio === 'adaptive' ? ADAPTIVE_RATIO : body.aspect_ratio,
    quality: body.quality,
    operation: isShared ? 'sandbox' : row.operation,
    model: isShared ? 'sandbox' : row.id,
    taskId: taskId ?? 'shared',
    sources: isShared ? [] : sources,
  };
}

/** What the clip shows of the request's media: own files with their place, others by name alone. Nothing is fetched. */
function toSources(
  { row, body }: CheckedRequest,
  { uploads, linkUrl }: SandboxContext,
): readonly VideoSource[] {
  const kinds = [
    ['image', body.image_urls],
    ['video', body.video_urls],
    ['audio', body.audio_urls],
  ] as const;
  return kinds.flatMap(([kind, urls]) =>
    (urls ?? []).map((text, index): VideoSource => {
      const url = new URL(text);
      const upload = url.origin === linkUrl() ? uploads.find(url.pathname.split('/')[2] ?? '') : undefined;
      const isFrame = row.operation === 'image-to-video';
      return {
        label: `${kind} ${index + 1}`,
        note: upload === undefined ? url.hostname : describeUpload(upload.facts),
        picturePath: kind === 'image' ? upload?.filePath : undefined,
        clipPath: kind === 'video' ? upload?.filePath : undefined,
        role: isFrame ? (index === 0 ? 'first' : 'last') : undefined,
      };
    }),
  );
}

function describeUpload({ widthPx, heightPx, seconds }: UploadFacts): string {
  const pixels = widthPx === undefined ? [] : [`${widthPx}×${heightPx}`];
  return [...pixels, ...(seconds === undefined ? [] : [`${Number(seconds.toFixed(1))} s`])].join(' ');
}
