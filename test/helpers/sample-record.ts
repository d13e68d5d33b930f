import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TaskRecord } from '../../src/task/record.ts';

/** A record as it is made right before the paid call; every field can be replaced. */
export function sampleRecord(fields: Partial<TaskRecord> = {}): TaskRecord {
  return {
    schemaVersion: 2,
    localId: '20261121-091502-k3f9q2',
    state: 'intent',
    identity: 'a'.repeat(64),
    fingerprint: 'f'.repeat(64),
    createdAtMs: Date.UTC(2026, 10, 21, 9, 15, 2),
    updatedAtMs: Date.UTC(2026, 10, 21, 9, 15, 2),
    apiBaseUrl: 'https://api.evolink.ai',
    operation: 't2v',
    body: {
      model: 'seedance-2.0-text-to-video',
      prompt: 'a glass frog on a leaf',
      duration: 5,
      quality: '720p',
      aspect_ratio: '16:9',
      generate_audio: true,
      content_filter: true,
    },
    idempotencyKey: 'b5b0ee3c-1111-4222-8333-444455556666',
    output: {
      kind: 'file',
      folder: join(tmpdir(), 'videos'),
      pattern: '{slug}-{id}.mp4',
      onExisting: 'refuse',
    },
    hasSidecar: false,
    timeline: [],
    ...fields,
  };
}
