import { createHash } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { copyClip, inspectOutput, isSandboxClip } from '../../../src/run/clips.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

const CONTENT = 'the bytes of a clip';
let folder: string;
let path: string;

function sidecar(change: Record<string, unknown> = {}): string {
  return JSON.stringify({
    schema_version: 1,
    kind: 'evolink.sidecar',
    fingerprint: 'f00',
    api_base_url: 'https://api.evolink.ai',
    task_id: 'task-1',
    credits: { estimated: 5, reserved: 5, used: 5 },
    file: {
      size_bytes: CONTENT.length,
      sha256: createHash('sha256').update(CONTENT).digest('hex'),
      duration_seconds: 4,
      has_audio: true,
    },
    ...change,
  });
}

beforeEach(async () => {
  folder = await tempFolder();
  path = join(folder, 'clip.mp4');
  writeFileSync(path, CONTENT);
  writeFileSync(`${path}.json`, sidecar());
});

describe('inspectOutput', () => {
  it('knows a clip by the record beside it', async () => {
    expect(await inspectOutput(path)).toMatchObject({
      kind: 'ours',
      clip: { fingerprint: 'f00', task_id: 'task-1', credits: { reserved: 5 }, file: { has_audio: true } },
    });
  });

  it('knows the sandbox by its address', async () => {
    const isSandbox = async () => {
      const state = await inspectOutput(path);
      return 'clip' in state && isSandboxClip(state.clip);
    };
    expect(await isSandbox()).toBe(false);
    writeFileSync(`${path}.json`, sidecar({ api_base_url: 'http://127.0.0.1:8787' }));
    expect(await isSandbox()).toBe(true);
  });

  it.each([
    ['bytes of the same length', () => writeFileSync(path, CONTENT.toUpperCase())],
    ['another length', () => writeFileSync(path, 'short')],
    ['no record', () => writeFileSync(`${path}.json`, '')],
    ['a record of another kind', () => writeFileSync(`${path}.json`, sidecar({ kind: 'other' }))],
    ['a record without a hash', () => writeFileSync(`${path}.json`, sidecar({ file: { size_bytes: 19 } }))],
    ['a record that is a list', () => writeFileSync(`${path}.json`, '[]')],
  ])('believes no %s', async (_name, spoil) => {
    spoil();
    expect(['foreign', 'damaged']).toContain((await inspectOutput(path)).kind);
  });

  it('tells absent from what is no file', async () => {
    expect(await inspectOutput(join(folder, 'none', 'clip.mp4'))).toEqual({ kind: 'absent' });
    mkdirSync(join(folder, 'folder.mp4'));
    expect((await inspectOutput(join(folder, 'folder.mp4'))).kind).toBe('foreign');
    symlinkSync(path, join(folder, 'link.mp4'));
    expect((await inspectOutput(join(folder, 'link.mp4'))).kind).toBe('foreign');
  });
});

describe('copyClip', () => {
  it('gives a clip another name with its record, and leaves the old one', async () => {
    const target = join(folder, 'new', 'name.mp4');
    await copyClip(path, target);
    expect(await inspectOutput(target)).toEqual(await inspectOutput(path));
    await copyClip(path, target);
    expect((await inspectOutput(path)).kind).toBe('ours');
  });
});
