/**
 * Words in pictures: letters of five by seven dots, so that a sheet says by itself what its rows and columns are, in Node
 * and in a browser alike, without fonts. For a caption of a line or two; a page's own text is text.
 */
import { UsageError } from '../devices/errors.ts';
import type { Rgb } from './color.ts';
import type { Picture } from './picture.ts';

/** Five columns of seven dots a character from the space to the tilde, two hexadecimal digits a column, top dot lowest bit. */
const DOTS =
  '0000000000 00005f0000 0007000700 147f147f14 242a7f2a12 2313086462 3649552250 0005030000 001c224100 0041221c00 ' +
  '14083e0814 08083e0808 0050300000 0808080808 0060600000 2010080402 3e5149453e 00427f4000 4261514946 2141454b31 ' +
  '1814127f10 2745454539 3c4a494930 0171090503 3649494936 064949291e 0036360000 0056360000 0814224100 1414141414 ' +
  '0041221408 0201510906 324979413e 7e1111117e 7f49494936 3e41414122 7f4141221c 7f49494941 7f09090901 3e4149497a ' +
  '7f0808087f 00417f4100 2040413f01 7f08142241 7f40404040 7f020c027f 7f0408107f 3e4141413e 7f09090906 3e4151215e ' +
  '7f09192946 4649494931 01017f0101 3f4040403f 1f2040201f 3f4038403f 6314081463 0708700807 6151494543 007f414100 ' +
  '0204081020 0041417f00 0402010204 4040404040 0001020400 2054545478 7f48444438 3844444420 384444487f 3854545418 ' +
  '087e090102 0c5252523e 7f08040478 00447d4000 2040443d00 7f10284400 00417f4000 7c04180478 7c08040478 3844444438 ' +
  '7c14141408 081414187c 7c08040408 4854545420 043f444020 3c4040207c 1c2040201c 3c4030403c 4428102844 0c5050503c ' +
  '4464544c44 0008364100 00007f0000 0041360800 1008081008';
const GLYPHS = DOTS.split(' ').map(hex => [0, 2, 4, 6, 8].map(at => Number.parseInt(hex.slice(at, at + 2), 16)));
const WIDTH = 6;
const HEIGHT = 7;
const LEADING = 10;

export interface LetteringOptions {
  /** Default dark grey. */
  readonly color?: Rgb;
  /** Red, green, blue, opacity. Default opaque white. */
  readonly background?: readonly [number, number, number, number];
  /** Of the picture; by default as wide as the longest line. Longer lines are broken between words. */
  readonly width?: number;
  /** Of the picture; by default (and at least) as high as the lines. */
  readonly height?: number;
  /** Where the lines stand in a wider picture. Default `left`. */
  readonly align?: 'left' | 'centre' | 'right';
  /** Whole number that the letters are enlarged by. Default 1. */
  readonly scale?: number;
}

/** Breaks a line after spaces and hyphens so that each part has at most `most` characters; longer words are cut. */
export function brokenLine(line: string, most: number): string[] {
  const lines: string[] = [];
  let current = '';
  for (const word of line.match(/[^\s-]+-*\s*|-+\s*|\s+/g) ?? ['']) {
    if (current !== '' && (current + word).trimEnd().length > most) {
      lines.push(current.trimEnd());
      current = '';
    }
    current += word;
    while (current.trimEnd().length > most) {
      lines.push(current.slice(0, most));
      current = current.slice(most);
    }
  }
  lines.push(current.trimEnd());
  return lines;
}

/**
 * Lines of text as a picture. Characters beyond ASCII become question marks.
 *
 * @throws UsageError when the picture is too narrow for one character
 */
export function textPicture(lines: readonly string[], options: LetteringOptions = {}): Picture {
  const { color = [48, 48, 48], background = [255, 255, 255, 255], align = 'left', scale = 1 } = options;
  if (!Number.isInteger(scale) || scale < 1)
    throw new UsageError(`Letters are enlarged by a whole number, not ${scale}.`);
  const longest = Math.max(1, ...lines.map(line => line.length));
  const width = options.width ?? longest * WIDTH * scale;
  const most = Math.floor((width + scale) / (WIDTH * scale));
  if (!Number.isInteger(width) || most < 1)
    throw new UsageError(`A picture of ${width} pixels is too narrow for letters.`);
  const broken = lines.flatMap(line => brokenLine(line, most));
  const height = Math.max(options.height ?? 0, ((broken.length - 1) * LEADING + HEIGHT) * scale);
  const rgba = new Uint8Array(width * height * 4);
  for (let at = 0; at < rgba.length; at += 4) rgba.set(background, at);
  broken.forEach((line, row) => {
    const free = width - (line.length * WIDTH - 1) * scale;
    const left = align === 'left' ? 0 : align === 'right' ? free : Math.floor(free / 2);
    [...line].forEach((character, place) => {
      const glyph = GLYPHS[character.charCodeAt(0) - 32] ?? GLYPHS['?'.charCodeAt(0) - 32];
      for (let dot = 0; dot < 5 * HEIGHT; dot++) {
        if (((glyph[Math.floor(dot / HEIGHT)] >> (dot % HEIGHT)) & 1) === 0) continue;
        const x = left + (place * WIDTH + Math.floor(dot / HEIGHT)) * scale;
        const y = (row * LEADING + (dot % HEIGHT)) * scale;
        for (let sub = 0; sub < scale * scale; sub++) {
          const pixel = (y + Math.floor(sub / scale)) * width + x + (sub % scale);
          rgba.set([...color, 255], pixel * 4);
        }
      }
    });
  });
  return { width, height, rgba };
}
