export const SAMPLE_RATE_HZ = 48_000;

// Intervals of a major pentatonic scale, in semitones: any of them sound well together.
const SCALE = [0, 2, 4, 7, 9, 12] as const;
const ROOT_HZ = 220;
const FADE_SECONDS = 0.25;
const VOLUME = 0.16;

/**
 * A quiet chord with one soft note a second, mono, -1 to 1. The notes depend on the seed; beginning and end fade.
 */
export function makeTone(seed: Uint8Array, sampleCount: number): Float32Array {
  const durationSeconds = sampleCount / SAMPLE_RATE_HZ;
  const rootHz = noteHz(((seed[3] ?? 0) % 12) - 5);
  const samples = new Float32Array(sampleCount);
  for (let index = 0; index < sampleCount; index++) {
    const seconds = index / SAMPLE_RATE_HZ;
    const beat = Math.floor(seconds);
    const sinceBeat = seconds - beat;
    const interval = SCALE[(seed[(4 + beat) % seed.length] ?? 0) % SCALE.length] ?? 0;
    const chord = sine(rootHz, seconds) + 0.5 * sine(rootHz * 1.5, seconds);
    const note =
      sine(rootHz * 2 * 2 ** (interval / 12), seconds) *
      Math.exp(-4 * sinceBeat) *
      Math.min(1, sinceBeat * 60);
    const fade = Math.min(1, seconds / FADE_SECONDS, (durationSeconds - seconds) / FADE_SECONDS);
    samples[index] = VOLUME * fade * (0.6 * chord + note);
  }
  return samples;
}

function noteHz(semitones: number): number {
  return ROOT_HZ * 2 ** (semitones / 12);
}

function sine(frequencyHz: number, seconds: number): number {
  return Math.sin(2 * Math.PI * frequencyHz * seconds);
}
