/**
 * Numbers as colours. A map for magnitudes must run evenly from dark to light, so that equal steps look equal and a copy
 * in grey still reads; a map for signed values must be white at zero and as dark on either side. Both can be told apart
 * by people who do not see red or green. The anchors are published tables, with straight lines between them.
 */

/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [number, number, number];

/** A colour for every number from 0 to 1; what lies outside takes the nearest end's. */
export type ColorMap = (share: number) => Rgb;

function parseAnchors(hex: string): Rgb[] {
  return hex.split(' ').map(code => {
    const value = Number.parseInt(code, 16);
    return [value >>> 16, (value >>> 8) & 0xff, value & 0xff];
  });
}

/** The map that runs through these colours at even distances. */
export function colorMap(anchors: readonly Rgb[]): ColorMap {
  const last = anchors.length - 1;
  return share => {
    const place = Math.min(1, Math.max(0, share)) * last;
    const below = Math.min(last - 1, Math.floor(place));
    const weight = place - below;
    const [from, to] = [anchors[below], anchors[below + 1]];
    return [mix(from[0], to[0], weight), mix(from[1], to[1], weight), mix(from[2], to[2], weight)];
  };
}

function mix(from: number, to: number, weight: number): number {
  return Math.round(from + (to - from) * weight);
}

/**
 * viridis, for magnitudes: dark violet (0) over green to yellow (1), perceptually uniform. Every fifteenth entry of the
 * published table of 256; lines between them stay within 5/255 of it.
 *
 * S. van der Walt, N. Smith: A better default colormap for Matplotlib. SciPy 2015 (CC0).
 */
export const viridis: ColorMap = colorMap(
  parseAnchors(
    '440154 481769 472a7a 433d84 3d4e8a 355e8d 2e6d8e 297b8e 23898e 1f978b 21a585 2eb37c 46c06f 65cb5e 89d548 b0dd2f ' +
      'd8e219 fde725',
  ),
);

/**
 * Blue (0: most negative) over near-white (0.5: zero) to red (1: most positive): ColorBrewer's RdBu of eleven classes,
 * turned round.
 *
 * C. A. Brewer, M. Harrower: ColorBrewer 2.0 (Apache-2.0).
 */
export const blueRed: ColorMap = colorMap(
  parseAnchors('053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f'),
);

/** Black (0) to white (1). */
export const grey: ColorMap = colorMap([
  [0, 0, 0],
  [255, 255, 255],
]);

/**
 * Colours that keep apart for people who see no red or no green, and stand out from white and from near-black; after
 * M. Okabe, K. Ito: Color universal design, 2008, the blue made lighter for dark pages.
 */
export const SERIES_COLORS = ['#2f7fc1', '#d55e00', '#009e73', '#b5679b', '#a08000', '#56b4e9', '#8a8d91'] as const;
export const [BLUE, ORANGE] = SERIES_COLORS;
