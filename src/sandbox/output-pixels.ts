/** Width and height in pixels of the finished clip, as the service's documents list them. */
const OUTPUT_PIXELS: Readonly<Record<string, Readonly<Record<string, readonly [number, number]>>>> = {
  '16:9': { '480p': [864, 496], '720p': [1280, 720], '1080p': [1920, 1080], '4k': [3840, 2160] },
  '4:3': { '480p': [752, 560], '720p': [1112, 834], '1080p': [1664, 1248], '4k': [3326, 2494] },
  '1:1': { '480p': [640, 640], '720p': [960, 960], '1080p': [1440, 1440], '4k': [2880, 2880] },
  '3:4': { '480p': [560, 752], '720p': [834, 1112], '1080p': [1248, 1664], '4k': [2494, 3326] },
  '9:16': { '480p': [496, 864], '720p': [720, 1280], '1080p': [1080, 1920], '4k': [2160, 3840] },
  '21:9': { '480p': [992, 432], '720p': [1470, 630], '1080p': [2206, 946], '4k': [4398, 1886] },
};

/** The ratio that this server takes for `adaptive`: it looks neither at the prompt nor at pictures. */
export const ADAPTIVE_RATIO = '16:9';

/** @throws RangeError for a pair that the table does not hold. */
export function outputPixels(ratio: string, quality: string): { widthPx: number; heightPx: number } {
  const pair = OUTPUT_PIXELS[ratio === 'adaptive' ? ADAPTIVE_RATIO : ratio]?.[quality];
  if (pair === undefined) throw new RangeError(`no pixels for ${ratio} ${quality}`);
  return { widthPx: pair[0], heightPx: pair[1] };
}
