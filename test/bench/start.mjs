// Cold start against bare node, and `status` with many records against bare node.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bin, pair, report, runOnce } from './measure.mjs';

const RECORDS = 10_000;

/** Records of saved tasks, as years of use leave them. */
function fillJournal(state) {
  const folder = join(state, 'evolink', 'tasks', 'closed');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (let index = 0; index < RECORDS; index += 1) {
    const localId = `20250101-000000-${index.toString(36).padStart(6, '0')}`;
    const atMs = 1_735_689_600_000 + index * 60_000;
    const record = {
      schemaVersion: 1,
      localId,
      state: 'saved',
      identity: 'a'.repeat(64),
      fingerprint: 'f'.repeat(64),
      createdAtMs: atMs,
      updatedAtMs: atMs,
      apiBaseUrl: 'https://api.evolink.ai',
      operation: 't2v',
      body: {
        model: 'seedance-2.0-text-to-video',
        prompt: `clip ${index} `.repeat(40),
        duration: 5,
        quality: '720p',
        aspect_ratio: '16:9',
        generate_audio: true,
        content_filter: true,
      },
      idempotencyKey: 'b5b0ee3c-1111-4222-8333-444455556666',
      output: { kind: 'file', folder: '/videos', pattern: '{slug}-{id}.mp4', onExisting: 'refuse' },
      hasSidecar: false,
      taskId: `task-unified-${atMs}-${index}`,
      saved: [{ path: `/videos/clip-${index}.mp4`, sizeBytes: 1_000_000, sha256: 'c'.repeat(64), atMs }],
      timeline: [
        { atMs, status: 'pending' },
        { atMs, status: 'completed' },
      ],
    };
    writeFileSync(join(folder, `${localId}.json`), `${JSON.stringify(record)}\n`, { mode: 0o600 });
  }
}

const folder = mkdtempSync(join(tmpdir(), 'evolink-bench-'));
try {
  const env = (state) => ({
    PATH: process.env.PATH,
    HOME: folder,
    XDG_STATE_HOME: join(folder, state),
    XDG_CONFIG_HOME: join(folder, 'config'),
    NODE_DISABLE_COMPILE_CACHE: '1',
  });
  const node = () => runOnce(process.execPath, ['-e', '0'], { env: env('none') });
  const evolink = (args, state) => () =>
    runOnce(process.execPath, [bin, ...args], { env: env(state), cwd: folder });
  fillJournal(join(folder, 'full'));
  report(
    '--version against bare node',
    await pair(evolink(['--version'], 'none'), node),
    'bare node + 40 ms',
  );
  report('--help against bare node', await pair(evolink(['--help'], 'none'), node), 'bare node + 40 ms');
  report('status, no records, against bare node', await pair(evolink(['status'], 'none'), node));
  report(
    `status, ${RECORDS} records, against bare node`,
    await pair(evolink(['status'], 'full'), node),
    'at most ×4',
  );
  report(
    `status, ${RECORDS} records, against none`,
    await pair(evolink(['status'], 'full'), evolink(['status'], 'none')),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
