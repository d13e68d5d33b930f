import { describe, expect, it } from 'vitest';
import { endsAtMs, lifeAt, realisticSeconds, type SandboxTask } from '../../../src/sandbox/task-object.ts';

describe('realisticSeconds', () => {
  it.each([
    ['mini', 109],
    ['fast', 113],
    ['standard', 156],
  ])('is what was seen for a 4 s clip in 480p: %s', (tier, seconds) => {
    const life = realisticSeconds({
      tier,
      quality: '480p',
      durationSeconds: 4,
      hasWebSearch: false,
      chance: 0.5,
    });
    expect(Math.round(life)).toBe(seconds);
  });

  it('grows with length, quality and search, up to 180', () => {
    const base = { tier: 'fast', quality: '480p', durationSeconds: 4, hasWebSearch: false, chance: 0.5 };
    const seconds = [
      base,
      { ...base, durationSeconds: 10 },
      { ...base, durationSeconds: 10, quality: '720p' },
      { ...base, durationSeconds: 10, quality: '720p', hasWebSearch: true },
    ].map(realisticSeconds);
    expect(seconds).toEqual([...new Set(seconds)].sort((a, b) => a - b));
    expect(realisticSeconds({ ...base, tier: 'standard', quality: '4k', durationSeconds: 15 })).toBe(180);
  });
});

describe('lifeAt', () => {
  const task: SandboxTask = {
    schemaVersion: 1,
    id: 'task-unified-1-abcdefgh',
    model: 'm',
    createdAtMs: 1000,
    lifeMs: 100_000,
    fingerprint: '',
    reservedCredits: 1,
    searchCredits: 0,
    fate: { kind: 'completed' },
    linkCount: 1,
    isResultDataOnly: false,
    spec: {
      widthPx: 1,
      heightPx: 1,
      durationSeconds: 4,
      hasAudio: false,
      prompt: '',
      ratio: '',
      quality: '',
      operation: '',
      model: '',
      taskId: '',
    },
    linkRevision: 0,
    clipVersion: 0,
  };

  it.each([
    [0, 'pending', 0],
    [1000, 'pending', 0],
    [8000, 'processing', 7],
    [51_000, 'processing', 50],
    [999_000, 'processing', 99],
  ])('at %i ms: %s %i', (nowMs, status, progress) => {
    expect(lifeAt(task, nowMs)).toEqual({ status, progress });
  });

  it('never ends when stuck', () => {
    const stuck: SandboxTask = { ...task, fate: { kind: 'stuck', word: 'archiving' } };
    expect([endsAtMs(task), endsAtMs(stuck)]).toEqual([101_000, Number.POSITIVE_INFINITY]);
    expect(lifeAt(stuck, 5000).status).toBe('archiving');
  });
});
