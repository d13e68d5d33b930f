import { expect, test } from 'vitest';
import { toWireBody } from '../../../src/request/fingerprint.ts';
import type { GenerationRequest } from '../../../src/request/models.ts';

const REQUEST: GenerationRequest = {
  operation: 'ref',
  model: 'm',
  tier: 'standard',
  prompt: 'p',
  images: [],
  videos: [],
  audios: [],
  durationSeconds: 5,
  quality: '720p',
  aspectRatio: '16:9',
  generateAudio: false,
  contentFilter: true,
};

test('settings are always sent, absent fields are absent', () => {
  expect(JSON.stringify(toWireBody(REQUEST))).toBe(
    '{"model":"m","prompt":"p","duration":5,"quality":"720p","aspect_ratio":"16:9","generate_audio":false,"content_filter":true}',
  );
});

test('all fields, in the order of the documents', () => {
  const full = {
    ...REQUEST,
    images: ['i'],
    videos: ['v'],
    audios: ['a'],
    webSearch: false,
    callbackUrl: 'c',
  };
  expect(JSON.stringify(toWireBody(full))).toBe(
    '{"model":"m","prompt":"p","image_urls":["i"],"video_urls":["v"],"audio_urls":["a"],"duration":5,"quality":"720p","aspect_ratio":"16:9","generate_audio":false,"content_filter":true,"model_params":{"web_search":false},"callback_url":"c"}',
  );
});
