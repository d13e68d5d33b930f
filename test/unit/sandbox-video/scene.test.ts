import { beforeAll, expect, it } from 'vitest';
import type { VideoSpec } from '../../../src/sandbox/clip-store.ts';
import { createMeasure } from '../../../src/sandbox/video/draw.ts';
import { createScene, layOutScene, type Scene, type SceneLayout } from '../../../src/sandbox/video/scene.ts';
import { loadPixelFont } from '../../../src/sandbox/video/text.ts';

const spec: VideoSpec = {
  widthPx: 1112,
  heightPx: 834,
  durationSeconds: 5,
  hasAudio: false,
  // Its background is dark, so that light colours stand out most.
  prompt: 'A macro lens focuses on a green glass frog on a leaf, dew drops glistening in the morning light',
  ratio: '4:3',
  quality: '720p',
  operation: 'text-to-video',
  model: 'seedance-2.0-text-to-video',
  taskId: 'task-unified-1757156493-imcg5zqt',
};
let scene: Scene;
let layout: SceneLayout;

beforeAll(async () => {
  const font = await loadPixelFont();
  scene = await createScene(spec, font);
  layout = layOutScene(spec, createMeasure(font));
});

interface Change {
  count: number;
  greatest: number;
  topPx: number;
  /** The distance from the centre of the wheel. */
  furthestPx: number;
}

/** Where the luma of two frames differs, and how much. */
function compare(first: Uint8Array, second: Uint8Array): Change {
  const { centerXPx, centerYPx } = layout.wheel;
  const change = { count: 0, greatest: 0, topPx: spec.heightPx, furthestPx: 0 };
  for (let at = 0; at < spec.widthPx * spec.heightPx; at++) {
    const by = Math.abs((first[at] ?? 0) - (second[at] ?? 0));
    if (by === 0) continue;
    const yPx = Math.floor(at / spec.widthPx);
    const awayPx = Math.hypot((at % spec.widthPx) - centerXPx, yPx - centerYPx);
    change.count += 1;
    change.greatest = Math.max(change.greatest, by);
    change.topPx = Math.min(change.topPx, yPx);
    change.furthestPx = Math.max(change.furthestPx, awayPx);
  }
  return change;
}

it('moves only inside the wheel, and by less than the encoder can lose', () => {
  const change = compare(scene.drawLoopFrame(3).slice(), scene.drawLoopFrame(4));
  expect(change.count).toBeGreaterThan(100);
  expect(change.furthestPx).toBeLessThanOrEqual(layout.wheel.radiusPx + 1);
  expect(change.greatest).toBeLessThan(128);
});

it('changes only the clock from second to second', () => {
  const change = compare(scene.drawSecond(1).slice(), scene.drawSecond(2));
  expect(change.count).toBeGreaterThan(100);
  expect(change.topPx).toBeGreaterThanOrEqual(layout.clockBox.yPx);
});

it('shows the same first frame of the loop with and without the clock', () => {
  const change = compare(scene.drawSecond(0).slice(), scene.drawLoopFrame(0));
  expect(change.count).toBeGreaterThan(100);
  expect(change.topPx).toBeGreaterThan(layout.clockBox.yPx - 16);
});

it('gives frames that do not depend on what was drawn before', () => {
  const fresh = scene.drawLoopFrame(7).slice();
  scene.drawSecond(4);
  expect(Buffer.compare(scene.drawLoopFrame(7), fresh)).toBe(0);
});

it('writes colours of the limited range only', () => {
  const pixels = scene.drawSecond(0);
  expect(pixels.every((value) => value >= 16 && value <= 240)).toBe(true);
});
