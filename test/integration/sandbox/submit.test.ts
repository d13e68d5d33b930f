import { describe, expect, it } from 'vitest';
import { BODY, json, KEY, refusal, start } from './sandbox-under-test.ts';

const I2V = { model: 'seedance-2.0-image-to-video', prompt: 'p', image_urls: ['https://example.com/a.jpg'] };
const REF = { model: 'seedance-2.0-reference-to-video', prompt: 'p' };
const MINI = 'seedance-2.0-mini-text-to-video';
const URLS = (count: number, name: string): string[] =>
  Array.from({ length: count }, (_, i) => `https://example.com/${i}.${name}`);

describe('an accepted request', () => {
  it('answers the documented task object', async () => {
    const sandbox = await start();
    const response = await sandbox.submit();
    expect(response.status).toBe(200);
    expect(response.headers.get('x-request-id')).toMatch(/^req_\w{20}$/);
    expect(response.headers.get('date')).toBe(new Date(sandbox.clock.now()).toUTCString());
    const created = Math.floor(sandbox.clock.now() / 1000);
    expect(await json(response)).toEqual({
      created,
      id: expect.stringMatching(new RegExp(`^task-unified-${created}-[0-9a-z]{8}$`)),
      model: BODY.model,
      object: 'video.generation.task',
      progress: 0,
      status: 'pending',
      task_info: { can_cancel: true, estimated_time: 3, video_duration: 5 },
      type: 'video',
      usage: { billing_rule: 'per_second', credits_reserved: 67.5, user_group: 'default' },
    });
  });

  it('fills in the defaults of the documents', async () => {
    const sandbox = await start();
    await sandbox.submit({ model: BODY.model, prompt: 'p' });
    const size = { widthPx: 1280, heightPx: 720, durationSeconds: 5, hasAudio: true };
    expect(sandbox.specs[0]).toMatchObject(size);
  });

  it.each([
    ['image to video', I2V],
    ['first and last frame', { ...I2V, image_urls: URLS(2, 'jpg') }],
    [
      'reference with everything',
      { ...REF, image_urls: URLS(9, 'png'), video_urls: URLS(3, 'mp4'), audio_urls: URLS(3, 'mp3') },
    ],
    ['2.5, whose length the model chooses', { ...BODY, model: 'seedance-2.5-text-to-video', duration: -1 }],
    [
      '2.5 with sound alone',
      { ...REF, model: 'seedance-2.5-reference-to-video', audio_urls: URLS(4, 'mp3') },
    ],
    ['callback to the public', { ...BODY, callback_url: 'https://example.com/hook' }],
    ['callback to this machine', { ...BODY, callback_url: 'http://127.0.0.1:9/hook' }],
  ])('takes %s', async (_, body) => {
    const sandbox = await start({ startingCredits: 10_000 });
    expect((await sandbox.submit(body)).status).toBe(200);
  });
});

describe('a refused request', () => {
  it.each([
    ['no prompt', { model: BODY.model }, 'prompt'],
    ['endless prompt', { ...BODY, prompt: 'x'.repeat(40_004) }, 'prompt'],
    ['no model', { prompt: 'p' }, 'model'],
    ['unknown field', { ...BODY, seed: 1 }, 'seed'],
    ['media in text-to-video', { ...BODY, image_urls: URLS(1, 'jpg') }, 'image_urls'],
    ['long duration', { ...BODY, duration: 16 }, 'duration'],
    ['unknown quality', { ...BODY, quality: '8k' }, 'quality'],
    ['quality of another tier', { ...BODY, model: MINI, quality: '1080p' }, 'quality'],
    ['unknown ratio', { ...BODY, aspect_ratio: '2:1' }, 'aspect_ratio'],
    ['no image in the list', { ...I2V, image_urls: [] }, 'image_urls'],
    ['three frames', { ...I2V, image_urls: URLS(3, 'jpg') }, 'image_urls'],
    ['audio alone', { ...REF, audio_urls: URLS(1, 'mp3') }, 'audio_urls'],
    ['no URL', { ...I2V, image_urls: ['picture.jpg'] }, 'image_urls.0'],
    ['Base64', { ...I2V, image_urls: ['data:image/png;base64,AAAA'] }, 'image_urls.0'],
    ['loopback media', { ...I2V, image_urls: ['http://127.0.0.1:1/a.jpg'] }, 'image_urls.0'],
    ['web search in image-to-video', { ...I2V, model_params: { web_search: true } }, 'model_params'],
    ['web search in mini', { ...BODY, model: MINI, model_params: {} }, 'model_params'],
    [
      'web search unfiltered',
      { ...BODY, content_filter: false, model_params: { web_search: true } },
      'model_params.web_search',
    ],
    ['callback over HTTP', { ...BODY, callback_url: 'http://example.com/' }, 'callback_url'],
    ['mapped private callback', { ...BODY, callback_url: 'https://[::ffff:10.0.0.1]/' }, 'callback_url'],
    ['long callback', { ...BODY, callback_url: `https://example.com/${'x'.repeat(2048)}` }, 'callback_url'],
  ])('names the field: %s', async (_, body, param) => {
    const sandbox = await start();
    const response = await sandbox.submit(body);
    expect(response.status).toBe(400);
    expect((await json(response)).error).toMatchObject({
      code: 'invalid_parameter',
      type: 'invalid_request_error',
      param,
    });
    expect(sandbox.ledger.charges()).toEqual([]);
  });

  it.each(['{', '[]', '"x"', ''])('is no JSON object: %j', async (body) => {
    const sandbox = await start();
    expect(await refusal(sandbox.submit(body))).toEqual([400, 'invalid_request']);
  });

  it.each([
    ['Basic abc', undefined],
    ['Bearer two words', undefined],
    [`Bearer ${KEY}`, ['another-key']],
  ])('401 for %s', async (authorization, apiKeys) => {
    const sandbox = await start(apiKeys === undefined ? {} : { apiKeys });
    const response = await sandbox.submit(BODY, { authorization });
    expect(response.status).toBe(401);
    const error = { code: 'unauthorized', type: 'authentication_error' };
    expect(await json(response)).toMatchObject({ error });
    expect(JSON.stringify(sandbox.ledger.requests())).not.toContain(KEY);
  });

  it('403 for a model that is not offered', async () => {
    const answer = (await start()).submit({ ...BODY, model: 'seedance-9.0-text-to-video' });
    expect(await refusal(answer)).toEqual([403, 'model_access_denied']);
  });

  it('402 when what is held leaves too little', async () => {
    const sandbox = await start({ startingCredits: 100 });
    expect((await sandbox.submit()).status).toBe(200);
    expect(await refusal(sandbox.submit())).toEqual([402, 'insufficient_quota']);
    expect(sandbox.ledger.charges()).toHaveLength(1);
  });
});

describe('Idempotency-Key', () => {
  const key = 'evolink.key-0123456789';
  const headers = { 'idempotency-key': key };

  it('replays the first answer, whatever the order of the fields', async () => {
    const sandbox = await start();
    const first = await sandbox.submit(BODY, headers);
    await sandbox.clock.advance(60_000);
    const again = await sandbox.submit(Object.fromEntries(Object.entries(BODY).reverse()), headers);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([200, 'true']);
    expect(await again.text()).toBe(await first.text());
    expect(sandbox.ledger.charges()).toMatchObject([{ idempotencyKey: key }]);
  });

  it('409 for another body', async () => {
    const sandbox = await start();
    await sandbox.submit(BODY, headers);
    const other = sandbox.submit({ ...BODY, duration: 6 }, headers);
    expect(await refusal(other)).toEqual([409, 'idempotency_conflict']);
  });

  it.each(['short', 'x'.repeat(97), 'with space 0123456789'])('400 for %s', async (bad) => {
    const response = await (await start()).submit(BODY, { 'idempotency-key': bad });
    expect([response.status, (await json(response)).error.param]).toEqual([400, 'Idempotency-Key']);
  });
});
