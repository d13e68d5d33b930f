import { describe, expect, it } from 'vitest';
import type { VideoSpec } from '../../../src/sandbox/clip-store.ts';
import { layOutScene } from '../../../src/sandbox/video/scene.ts';

// The output sizes of every ratio, as the API's documents list them.
const SIZES = {
  '16:9': ['864x496', '1280x720', '1920x1080', '3840x2160'],
  '4:3': ['752x560', '1112x834', '1664x1248', '3326x2494'],
  '1:1': ['640x640', '960x960', '1440x1440', '2880x2880'],
  '3:4': ['560x752', '834x1112', '1248x1664', '2494x3326'],
  '9:16': ['496x864', '720x1280', '1080x1920', '2160x3840'],
  '21:9': ['992x432', '1470x630', '2206x946', '4398x1886'],
};
const ALL_SIZES = Object.entries(SIZES).flatMap(([ratio, sizes]) =>
  sizes.map((size) => [ratio, size] as const),
);

/** Font pixels as the real font counts them. */
const measure = (text: string): number => {
  let width = 0;
  for (const character of text) width += character < '\u2000' ? 8 : 16;
  return width;
};

const specOf = (ratio: string, size: string, more: Partial<VideoSpec> = {}): VideoSpec => {
  const [widthPx = 0, heightPx = 0] = size.split('x').map(Number);
  return {
    widthPx,
    heightPx,
    durationSeconds: 15,
    hasAudio: true,
    prompt: 'A macro lens focuses on a green glass frog on a leaf',
    ratio,
    quality: '1080p',
    operation: 'reference-to-video',
    model: 'seedance-2.0-reference-to-video',
    taskId: 'task-unified-1757156493-imcg5zqt',
    ...more,
  };
};

describe.each(ALL_SIZES)('layOutScene %s %s', (ratio, size) => {
  const spec = specOf(ratio, size, {
    sources: [{ label: 'image 1: frog.png' }, { label: 'audio 1: sea.mp3' }],
  });
  const long = { ...spec, prompt: '비 내리는 골목 '.repeat(900) };

  it.each([
    ['a short prompt', spec],
    ['a very long prompt', long],
    ['no prompt', { ...spec, prompt: '' }],
  ])('keeps everything inside the safe margin, with %s', (_name, each) => {
    const { runs, wheel, clock, badge } = layOutScene(each, measure);
    const marginPx = Math.min(each.widthPx, each.heightPx) * 0.05;
    const boxes = [
      badge,
      clock.bar,
      ...runs.map((run) => ({ ...run, widthPx: measure(run.text) * run.scale, heightPx: 16 * run.scale })),
      {
        xPx: wheel.centerXPx - wheel.radiusPx,
        yPx: wheel.centerYPx - wheel.radiusPx,
        widthPx: 2 * wheel.radiusPx,
        heightPx: 2 * wheel.radiusPx,
      },
    ];
    for (const box of boxes) {
      expect(box.xPx).toBeGreaterThanOrEqual(marginPx);
      expect(box.yPx).toBeGreaterThanOrEqual(marginPx);
      expect(box.xPx + box.widthPx).toBeLessThanOrEqual(each.widthPx - marginPx);
      expect(box.yPx + box.heightPx).toBeLessThanOrEqual(each.heightPx - marginPx);
    }
  });

  it('lets nothing overlap, and keeps the wheel two macroblocks above the clock', () => {
    const { runs, wheel, clockBox } = layOutScene(long, measure);
    expect(clockBox.yPx - (wheel.centerYPx + wheel.radiusPx)).toBeGreaterThanOrEqual(32);
    const rows = runs.map((run) => [run.yPx, run.yPx + 16 * run.scale] as const);
    for (const [top, bottom] of rows) {
      expect(bottom).toBeLessThanOrEqual(clockBox.yPx);
      const besides = rows.filter((other) => other[0] < bottom && other[1] > top && other[0] !== top);
      expect(besides).toEqual([]);
    }
  });

  it('names the model, the task and the format in full', () => {
    const texts = layOutScene(spec, measure).runs.map((run) => run.text);
    expect(texts).toContain(spec.model);
    expect(texts).toContain(spec.taskId);
    expect(texts).toContain(`${ratio} · 1080p · ${size.replace('x', '×')} · 15 s · audio`);
    expect(texts).toContain('SANDBOX');
    expect(texts).toContain('reference-to-video');
  });
});

describe('the prompt', () => {
  const promptRuns = (prompt: string) =>
    layOutScene(specOf('16:9', '1280x720', { prompt }), measure).runs.filter((run) => run.ink === 'strong');

  it('is larger the shorter it is, and never smaller than the details', () => {
    const scales = [1, 8, 40].map((times) => promptRuns('green glass frog '.repeat(times))[0]?.scale ?? 0);
    expect(scales[0]).toBeGreaterThan(scales[1] ?? 0);
    expect(scales[1]).toBeGreaterThan(scales[2] ?? 0);
    expect(scales[2]).toBeGreaterThanOrEqual(2);
  });

  it('is whole when it fits, and ends in an ellipsis when it does not', () => {
    expect(
      promptRuns('one two three')
        .map((run) => run.text)
        .join(' '),
    ).toBe('one two three');
    expect(promptRuns('green glass frog '.repeat(100)).at(-1)?.text).toMatch(/…$/);
  });

  it('does not make a word of many letters unreadable by breaking it where a smaller size would do', () => {
    expect(promptRuns('Donaudampfschifffahrt').map((run) => run.text)).toEqual(['Donaudampfschifffahrt']);
  });
});

it('shows source labels cut to the width, without controls', () => {
  const sources = [{ label: `image 1: ${'x'.repeat(200)}\n\u001b[2J` }];
  const row = layOutScene(specOf('9:16', '496x864', { sources }), measure).runs.find((run) =>
    run.text.startsWith('image 1'),
  );
  expect(row?.text).toMatch(/x…$/);
});
