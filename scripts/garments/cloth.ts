/**
 * Cloth, leather and light as SVG: a silhouette is filled, shaded as if lit from the upper left, wrinkled by a lit field
 * of noise, roughened by a fine one, and throws a soft shadow on its ground. Noise comes from feTurbulence with a seed, so
 * a drawing is the same every time.
 */

export interface Drawing {
  /** File name with ending; jpg is opaque, png may be transparent. */
  readonly file: string;
  /** A class of Fashion-MNIST. */
  readonly label: string;
  /** Size in the drawing's own units; the picture is this times `scale`. */
  readonly width: number;
  readonly height: number;
  readonly scale: number;
  readonly ground: Ground;
  readonly parts: readonly Part[];
}

export type Ground =
  | { readonly kind: 'even'; readonly color: string }
  /** Lit unevenly, from one colour at the upper left to another. */
  | { readonly kind: 'lit'; readonly from: string; readonly to: string }
  /** Woven or speckled: an even colour with a little noise. */
  | { readonly kind: 'rough'; readonly color: string }
  | { readonly kind: 'transparent' };

/** One piece of a garment, from the back to the front. */
export interface Part {
  /** The silhouette as path data. */
  readonly shape: string;
  /** A colour, or a pattern given by name. */
  readonly fill: string;
  /** 0 to 1: how deep its wrinkles are. Default 0.45. */
  readonly wrinkles?: number;
  /** Size of wrinkles: waves per unit across and along. Default 0.02 0.008. */
  readonly waves?: string;
  /** 0 to 1: how rough the material looks. Default 0.25. */
  readonly grain?: number;
  /** 0 to 1: how dark its edges are, as on something round. Default 0.35. */
  readonly roundness?: number;
  /** Lines on it (seams, ribs, laces): SVG that is cut to the silhouette. */
  readonly detail?: string;
  /** SVG over it that may reach beyond the silhouette. */
  readonly over?: string;
  /** Throws a shadow on the ground. Default true. */
  readonly shadow?: boolean;
}

/** A seam or edge. */
export function line(path: string, color: string, width = 2, dash = ''): string {
  return `<path d="${path}" fill="none" stroke="${color}" stroke-width="${width}" stroke-linecap="round"${dash && ` stroke-dasharray="${dash}"`}/>`;
}

/** A strap of even width as a stroked path: a lit middle on darker edges. */
export function strap(path: string, color: string, width: number): string {
  return (
    line(path, 'rgba(0,0,0,.55)', width + 2) +
    line(path, color, width) +
    `<path d="${path}" fill="none" stroke="rgba(255,255,255,.22)" stroke-width="${width * 0.4}" stroke-linecap="round" transform="translate(-1 -1)"/>`
  );
}

/** Parallel ribs across a box, as of a knitted cuff. */
export function ribs(x: number, y: number, width: number, height: number, gap: number, color: string): string {
  const count = Math.floor(width / gap);
  return Array.from({ length: count + 1 }, (_, i) => line(`M${x + i * gap} ${y} v${height}`, color, gap * 0.4)).join(
    '',
  );
}

/** The whole picture. */
export function svgOf({ width, height, scale, ground, parts }: Drawing, patterns: string, seed: number): string {
  const definitions: string[] = [patterns];
  const body: string[] = [];
  parts.forEach((part, index) => {
    const {
      shape,
      fill,
      wrinkles = 0.45,
      waves = '0.02 0.008',
      grain = 0.25,
      roundness = 0.35,
      detail = '',
      over = '',
    } = part;
    const id = `part${index}`;
    definitions.push(
      `<clipPath id="${id}"><path d="${shape}"/></clipPath>`,
      // Folds: a slow noise taken as a height and lit from the upper left.
      `<filter id="${id}folds" x="0" y="0" width="100%" height="100%" color-interpolation-filters="sRGB">
        <feTurbulence type="fractalNoise" baseFrequency="${waves}" numOctaves="3" seed="${seed + 17 * index}"/>
        <feDiffuseLighting surfaceScale="14" diffuseConstant="1.25" lighting-color="#fff">
          <feDistantLight azimuth="225" elevation="52"/>
        </feDiffuseLighting>
      </filter>`,
      `<filter id="${id}grain" x="0" y="0" width="100%" height="100%" color-interpolation-filters="sRGB">
        <feTurbulence type="fractalNoise" baseFrequency="0.8" numOctaves="2" seed="${seed + 31 * index + 5}"/>
        <feColorMatrix values="0 0 0 0 0  0 0 0 0 0  0 0 0 0 0  1.6 0 0 0 -0.55"/>
      </filter>`,
      `<linearGradient id="${id}round" x1="0" y1="0" x2="1" y2="0.25">
        <stop offset="0" stop-color="#000" stop-opacity="${0.55 * roundness}"/>
        <stop offset="0.28" stop-color="#fff" stop-opacity="${0.35 * roundness}"/>
        <stop offset="0.62" stop-color="#000" stop-opacity="0"/>
        <stop offset="1" stop-color="#000" stop-opacity="${roundness}"/>
      </linearGradient>`,
    );
    if ((part.shadow ?? true) && ground.kind !== 'transparent') {
      body.push(`<path d="${shape}" fill="#000" opacity=".33" filter="url(#shadow)" transform="translate(3 5)"/>`);
    }
    const cover = `width="${width}" height="${height}"`;
    body.push(
      `<g clip-path="url(#${id})">
        <path d="${shape}" fill="${fill}"/>
        ${detail}
        <rect ${cover} filter="url(#${id}folds)" opacity="${wrinkles}" style="mix-blend-mode:multiply"/>
        <rect ${cover} filter="url(#${id}grain)" opacity="${grain}"/>
        <path d="${shape}" fill="url(#${id}round)"/>
        <path d="${shape}" fill="none" stroke="#000" stroke-opacity=".35" stroke-width="2.5"/>
      </g>${over}`,
    );
  });
  definitions.push(
    `<filter id="shadow" x="-20%" y="-20%" width="140%" height="140%"><feGaussianBlur stdDeviation="4"/></filter>`,
    `<filter id="rough" x="0" y="0" width="100%" height="100%" color-interpolation-filters="sRGB">
      <feTurbulence type="fractalNoise" baseFrequency="0.7" numOctaves="2" seed="${seed + 3}"/>
      <feColorMatrix values="0 0 0 0 0  0 0 0 0 0  0 0 0 0 0  0.5 0 0 0 -0.18"/>
    </filter>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.round(width * scale)}" height="${Math.round(height * scale)}" viewBox="0 0 ${width} ${height}">
    <defs>${groundDefinition(ground)}${definitions.join('')}</defs>${groundOf(ground, width, height)}${body.join('')}</svg>`;
}

function groundDefinition(ground: Ground): string {
  if (ground.kind !== 'lit') return '';
  return `<linearGradient id="ground" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="${ground.from}"/><stop offset="1" stop-color="${ground.to}"/></linearGradient>`;
}

function groundOf(ground: Ground, width: number, height: number): string {
  const all = `width="${width}" height="${height}"`;
  switch (ground.kind) {
    case 'transparent':
      return '';
    case 'even':
      return `<rect ${all} fill="${ground.color}"/>`;
    case 'lit':
      return `<rect ${all} fill="url(#ground)"/>`;
    case 'rough':
      return `<rect ${all} fill="${ground.color}"/><rect ${all} filter="url(#rough)"/>`;
  }
}
