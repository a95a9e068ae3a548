/** What is shown lies elsewhere, crooked, smaller, slanted, or the other way round. What comes into view is black. */
import { type Corruption, type GreyImage, graded, randomSign, type Severity, sampleAt } from './corruption-kind.ts';

const geometry = (what: string, apply: Corruption['apply'], isGraded = true): Corruption => ({
  family: 'geometry',
  graded: isGraded,
  what,
  apply,
});

/** Where the value at (x, y) comes from: (xx x + xy y + x0, yx x + yy y + y0), all counted from the image's centre. */
interface Source {
  readonly xx: number;
  readonly xy: number;
  readonly yx: number;
  readonly yy: number;
  readonly x0?: number;
  readonly y0?: number;
}

/** Moves every pixel: bilinear between the pixels of the source, which leaves whole pixels as they are. */
function warp(image: GreyImage, { xx, xy, yx, yy, x0 = 0, y0 = 0 }: Source): Float64Array {
  const { width, height } = image;
  const centreX = (width - 1) / 2;
  const centreY = (height - 1) / 2;
  const values = new Float64Array(width * height);
  for (let row = 0; row < height; row++) {
    const y = row - centreY;
    for (let column = 0; column < width; column++) {
      const x = column - centreX;
      values[row * width + column] = sampleAt(image, xx * x + xy * y + x0 + centreX, yx * x + yy * y + y0 + centreY);
    }
  }
  return values;
}

const degrees = (severity: Severity): number => graded([8, 16, 24, 32, 45], severity);

export const GEOMETRY = {
  rotate: geometry('turned to one side by 8 to 45 degrees', (image, severity, random) => {
    const angle = (randomSign(random) * degrees(severity) * Math.PI) / 180;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    return warp(image, { xx: cos, xy: sin, yx: -sin, yy: cos });
  }),
  translate: geometry('moved in some direction by 1.5 to 8 pixels', (image, severity, random) => {
    const distance = graded([1.5, 3, 4.5, 6, 8], severity);
    const angle = 2 * Math.PI * random.uniform();
    const [dx, dy] = [distance * Math.cos(angle), distance * Math.sin(angle)];
    return warp(image, { xx: 1, xy: 0, yx: 0, yy: 1, x0: -dx, y0: -dy });
  }),
  scale: geometry('smaller: 90 to 50 % of its size', (image, severity) => {
    const size = graded([0.9, 0.8, 0.7, 0.6, 0.5], severity);
    return warp(image, { xx: 1 / size, xy: 0, yx: 0, yy: 1 / size });
  }),
  shear: geometry('slanted to one side', (image, severity, random) => {
    const slant = randomSign(random) * graded([0.12, 0.25, 0.4, 0.55, 0.75], severity);
    return warp(image, { xx: 1, xy: slant, yx: 0, yy: 1 });
  }),
  'flip-left-right': geometry('mirrored, left for right', image => warp(image, { xx: -1, xy: 0, yx: 0, yy: 1 }), false),
  'flip-upside-down': geometry(
    'mirrored, top for bottom',
    image => warp(image, { xx: 1, xy: 0, yx: 0, yy: -1 }),
    false,
  ),
  'turn-left': geometry(
    'turned by 90 degrees to the left',
    image => warp(image, { xx: 0, xy: -1, yx: 1, yy: 0 }),
    false,
  ),
  'turn-right': geometry(
    'turned by 90 degrees to the right',
    image => warp(image, { xx: 0, xy: 1, yx: -1, yy: 0 }),
    false,
  ),
} satisfies Record<string, Corruption>;
