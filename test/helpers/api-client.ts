import { onTestFinished } from 'vitest';
import { createApiClient } from '../../src/api/client.ts';
import type { HttpOptions } from '../../src/api/http.ts';
import { createHttp } from '../../src/api/http.ts';
import type { WireBody } from '../../src/request/fields.ts';
import { createFakeClock } from './fake-clock.ts';

/** The key of all tests: no output may ever hold it. */
export const CANARY_KEY = 'sk-canary-0123456789abcdefghij';
export const IDEMPOTENCY_KEY = '0f8fad5b-d9cb-469f-a165-70867728950e';

export const SAMPLE_BODY: WireBody = {
  model: 'seedance-2.0-text-to-video',
  prompt: 'a green glass frog',
  duration: 5,
  quality: '720p',
  aspect_ratio: '16:9',
  generate_audio: true,
  content_filter: true,
};

/** Real HTTP, and a clock that only the test moves; closed when the test ends. */
export function makeHttp(options: Partial<HttpOptions> = {}) {
  const timeouts = { connectMs: 10_000, responseMs: 30_000, idleMs: 20_000 };
  const clock = createFakeClock();
  const http = createHttp({
    userAgent: 'evolink-cli/0.0.0',
    timeouts,
    proxy: { noProxy: [] },
    clock,
    ...options,
  });
  onTestFinished(() => http.close());
  return http;
}

/** A real client, real HTTP, and a clock that only the test moves. */
export function makeApiClient(baseUrl: string) {
  const clock = createFakeClock();
  const http = makeHttp({ clock });
  return { api: createApiClient({ http, baseUrl, apiKey: CANARY_KEY, clock }), clock, http };
}
