/** Pictures, colours and sheets: pixel by pixel, and through a PNG decoder and back. */
import * as Plot from '@observablehq/plot';
import fc from 'fast-check';
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { ShapeError, UsageError } from '../../src/devices/errors.ts';
import { blueRed, grey, viridis } from '../../src/report/color.ts';
import { imageSheet } from '../../src/report/image-sheet.ts';
import { enlarge, heatPicture, imagePicture, overlay, type Picture, signedPicture } from '../../src/report/picture.ts';
import { encodePng } from '../../src/report/png.node.ts';

const pixel = ({ rgba, width }: Picture, x: number, y: number) => [
  ...rgba.subarray((y * width + x) * 4).subarray(0, 4),
];

/** Relative luminance (WCAG 2): what is left of a colour in a grey copy. */
function luminance([r, g, b]: readonly number[]): number {
  const linear = (value: number) => (value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

describe('colour maps', () => {
  it('viridis stays within 5/255 of the published table, as d3 (through Observable Plot) has it', () => {
    const published = Plot.scale({ color: { type: 'linear', scheme: 'viridis', domain: [0, 1] } });
    for (let entry = 0; entry < 256; entry++) {
      const code = String(published.apply((entry + 0.5) / 256)).slice(1);
      const wanted = [0, 2, 4].map(at => Number.parseInt(code.slice(at, at + 2), 16));
      viridis(entry / 255).forEach((value, c) => {
        expect(Math.abs(value - wanted[c]), `entry ${entry}`).toBeLessThanOrEqual(5);
      });
    }
  });

  it('grow ever lighter, or lighter to the middle and darker again', () => {
    for (let step = 1; step <= 100; step++) {
      expect(luminance(viridis(step / 100))).toBeGreaterThan(luminance(viridis((step - 1) / 100)));
      if (step <= 50) expect(luminance(blueRed(step / 100))).toBeGreaterThan(luminance(blueRed((step - 1) / 100)));
      else expect(luminance(blueRed(step / 100))).toBeLessThan(luminance(blueRed((step - 1) / 100)));
    }
    expect(blueRed(0.5)).toEqual([0xf7, 0xf7, 0xf7]);
  });

  it('end at their ends', () => {
    expect([grey(-3), grey(0), grey(1), grey(7)]).toEqual([0, 0, 255, 255].map(v => [v, v, v]));
    expect(viridis(1)).toEqual([0xfd, 0xe7, 0x25]);
  });
});

describe('pictures', () => {
  it('take bytes as bytes and floats as shares', () => {
    expect(pixel(imagePicture(Uint8Array.of(0, 1, 255), 3, 1), 1, 0)).toEqual([1, 1, 1, 255]);
    expect(pixel(imagePicture(Float32Array.of(0, 1, 2), 3, 1), 1, 0)).toEqual([255, 255, 255, 255]);
    expect(pixel(imagePicture([-1, 0.5, 1, 0, 0, 0], 1, 2), 0, 0)).toEqual([0, 128, 255, 255]);
  });

  it('show signed values about a white zero, and magnitudes from end to end', () => {
    const signed = signedPicture([-2, 0, 1], 3, 1);
    expect(pixel(signed, 0, 0).slice(0, 3)).toEqual(blueRed(0));
    expect(pixel(signed, 1, 0).slice(0, 3)).toEqual(blueRed(0.5));
    expect(pixel(signed, 2, 0).slice(0, 3)).toEqual(blueRed(0.75));
    expect(pixel(signedPicture([0, 0], 2, 1), 0, 0).slice(0, 3)).toEqual(blueRed(0.5));
    const heat = heatPicture([3, 5], 2, 1);
    expect([pixel(heat, 0, 0).slice(0, 3), pixel(heat, 1, 0).slice(0, 3)]).toEqual([viridis(0), viridis(1)]);
    expect(pixel(heatPicture([3, 5], 2, 1, { range: [1, 5] }), 0, 0).slice(0, 3)).toEqual(viridis(0.5));
    expect(pixel(heatPicture([4, 4], 2, 1), 0, 0).slice(0, 3)).toEqual(viridis(0));
  });

  it('lie over each other', () => {
    const black = imagePicture([0], 1, 1);
    const white = imagePicture([1], 1, 1);
    expect(pixel(overlay(black, white, 0.25), 0, 0)).toEqual([64, 64, 64, 255]);
    expect(pixel(overlay(white, black, 1), 0, 0)).toEqual([0, 0, 0, 255]);
    expect(() => overlay(black, imagePicture([0, 0], 2, 1))).toThrow(ShapeError);
  });

  it('refuse sizes that do not fit and values without a colour', () => {
    expect(() => imagePicture([0, 0], 3, 1)).toThrow('2 values do not make a picture of 1 x 3 x 1.');
    expect(() => imagePicture([], 0, 0)).toThrow(ShapeError);
    expect(() => heatPicture([1, Number.NaN], 2, 1)).toThrow('Value 1 of a picture is NaN');
    expect(() => enlarge(imagePicture([0], 1, 1), 1.5)).toThrow(UsageError);
  });
});

describe('imageSheet', () => {
  const dots = [0.1, 0.2, 0.3].map(value => imagePicture([value], 1, 1));

  it('has every picture in its place, in rows', () => {
    const sheet = imageSheet(dots, { columns: 2, gap: 1, scale: 2, background: [9, 8, 7, 6] });
    expect([sheet.width, sheet.height]).toEqual([7, 7]);
    const places = new Map([
      ['1,1', 26],
      ['4,1', 51],
      ['1,4', 77],
    ]); // 255 times 0.1, 0.2, 0.3, rounded
    for (let y = 0; y < 7; y++) {
      for (let x = 0; x < 7; x++) {
        const corner = `${x - ((x + 2) % 3)},${y - ((y + 2) % 3)}`;
        const value = x % 3 === 0 || y % 3 === 0 ? undefined : places.get(corner);
        expect(pixel(sheet, x, y), `${x}, ${y}`).toEqual(
          value === undefined ? [9, 8, 7, 6] : [value, value, value, 255],
        );
      }
    }
  });

  it('centres what is smaller and does without a gap', () => {
    const sheet = imageSheet([imagePicture(new Float32Array(9), 3, 3), imagePicture([1], 1, 1)], {
      columns: 2,
      gap: 0,
    });
    expect([sheet.width, sheet.height]).toEqual([6, 3]);
    expect(pixel(sheet, 4, 1)).toEqual([255, 255, 255, 255]);
    expect(pixel(sheet, 3, 1)).toEqual([0, 0, 0, 0]);
  });

  it('refuses what makes no sheet', () => {
    expect(() => imageSheet([])).toThrow(UsageError);
    expect(() => imageSheet(dots, { columns: 0 })).toThrow(UsageError);
    expect(() => imageSheet(dots, { gap: 0.5 })).toThrow(UsageError);
  });
});

describe('encodePng', () => {
  const byte = fc.integer({ min: 0, max: 255 });
  const opaque = fc.constantFrom(255);

  it.each([
    ['grey', byte.map(v => [v, v, v, 255]), 0],
    ['colour', fc.tuple(byte, byte, byte, opaque), 2],
    ['transparent', fc.tuple(byte, byte, byte, byte), 6],
  ] as const)('keeps every pixel of a %s picture', (_, pixels, colorType) => {
    fc.assert(
      fc.property(fc.array(pixels, { minLength: 12, maxLength: 12 }), rows => {
        const rgba = Uint8Array.from(rows.flat());
        const bytes = encodePng({ width: 4, height: 3, rgba });
        const read = PNG.sync.read(Buffer.from(bytes));
        expect([read.width, read.height]).toEqual([4, 3]);
        expect([...read.data]).toEqual([...rgba]);
        expect(bytes[25]).toBeLessThanOrEqual(colorType); // IHDR's colour type: no more than needed
      }),
    );
  });

  it('takes a view into a larger buffer', () => {
    const rgba = new Uint8Array(13).fill(7).subarray(1, 5);
    expect([...PNG.sync.read(Buffer.from(encodePng({ width: 1, height: 1, rgba }))).data]).toEqual([7, 7, 7, 7]);
    expect(imageSheet([{ width: 1, height: 1, rgba }], { gap: 0 }).rgba).toEqual(rgba);
    expect(() => encodePng({ width: 2, height: 1, rgba })).toThrow(ShapeError);
  });
});
