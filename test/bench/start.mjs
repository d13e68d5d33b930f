// Start-up as ratios to bare Node, and what commands over many records take against few.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bare, evolink, inHome, pair, size } from './measure.mjs';

const GOALS = {
  '--version': 1.15,
  '--help': 1.35,
  't2v --help': 1.35,
  'completion bash': 1.35,
  status: 1.6,
  'status --json': 1.6,
  't2v frog --dry-run': 1.9,
  'run ten.yaml --dry-run': 2.4,
  'credits --sandbox': 2.8,
};

/** Records of saved tasks, as years of use leave them. */
function fillJournal(state, count) {
  const folder = join(state, 'evolink/tasks/closed');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (let index = 0; index < count; index += 1) {
    const atMs = 1_735_689_600_000 + index * 60_000;
    const [day, time] = new Date(atMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').split('T');
    const localId = `${day}-${time}-${index.toString(36).padStart(6, '0')}`;
    const clip = { path: `/videos/clip-${index}.mp4`, size_bytes: 1e6, sha256: 'c'.repeat(64), at_ms: atMs };
    const record = {
      ...{ schema_version: 2, local_id: localId, state: 'saved', operation: 't2v', has_sidecar: false },
      ...{ identity: 'a'.repeat(64), fingerprint: 'f'.repeat(64), created_at_ms: atMs, updated_at_ms: atMs },
      ...{ api_base_url: 'https://api.evolink.ai', task_id: `task-unified-${atMs}-${index}` },
      body: { model: 'seedance-2.0-text-to-video', prompt: `clip ${index} `.repeat(40), duration: 5 },
      output: { kind: 'file', folder: '/videos', pattern: '{slug}-{id}.mp4', on_existing: 'refuse' },
      saved: [clip],
      timeline: [{ at_ms: atMs, status: 'completed' }],
    };
    writeFileSync(join(folder, `${localId}.json`), `${JSON.stringify(record)}\n`, { mode: 0o600 });
  }
}

export function measure() {
  return inHome(async ({ folder, env }) => {
    const jobs = [...'0123456789'].map((name) => `  j${name}: { type: t2v, prompt: "A boat ${name}" }\n`);
    writeFileSync(join(folder, 'ten.yaml'), `version: 1\njobs:\n${jobs.join('')}`);
    const options = { cwd: folder, env };
    const rows = [];
    for (const [line, goal] of Object.entries(GOALS)) {
      const { wallRatio } = await pair(evolink(...line.split(' ')), bare, options);
      rows.push({ name: `${line}, of bare Node`, goal, figure: wallRatio });
    }
    const counts = size([100, 10_000, 100_000], [10, 20, 30]);
    const times = {};
    for (const count of counts) {
      fillJournal(env.XDG_STATE_HOME, count);
      for (const [line, goal] of Object.entries({ status: 1.3, history: 2, 'resume --dry-run': 1.3 })) {
        const { cpuSeconds } = await pair(evolink(...line.split(' ')), bare, options, { runs: 5 });
        times[line] ??= cpuSeconds[0];
        const figure = cpuSeconds[0] / times[line];
        if (count > counts[0])
          rows.push({ name: `${line}, ${count} records, of ${counts[0]}`, goal, figure });
      }
    }
    rmSync(env.XDG_STATE_HOME, { recursive: true, force: true });
    return rows;
  });
}
