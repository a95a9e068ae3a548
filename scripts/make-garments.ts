/**
 * Makes `assets/garments`: pictures of garments drawn for this package, which `weft predict` looks at when it is given no
 * others. The drawings are SVG (see scripts/garments/), rendered by sharp; labels and README are written beside them.
 *
 *   npx tsx scripts/make-garments.ts [--out DIR]
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { GARMENT_DIRECTORY } from '../src/data/photo-folder.node.ts';
import { svgOf } from './garments/cloth.ts';
import { REST } from './garments/rest.ts';
import { TOPS } from './garments/tops.ts';

const PATTERNS = `
<pattern id="knit-green" width="8" height="10" patternUnits="userSpaceOnUse">
  <rect width="8" height="10" fill="#3f7a52"/><path d="M0 0 L4 5 L8 0 M0 5 L4 10 L8 5" stroke="#2f6141" stroke-width="1.8" fill="none"/>
</pattern>
<pattern id="stripes-navy" width="30" height="30" patternUnits="userSpaceOnUse">
  <rect width="30" height="30" fill="#e8e4da"/><rect width="30" height="14" fill="#22345c"/>
</pattern>
<pattern id="check-blue" width="26" height="26" patternUnits="userSpaceOnUse">
  <rect width="26" height="26" fill="#b9c9e6"/><rect width="26" height="9" fill="#4d6fae" opacity=".55"/>
  <rect width="9" height="26" fill="#4d6fae" opacity=".55"/><path d="M0 18 H26 M18 0 V26" stroke="#f4f6fb" stroke-width="1.5"/>
</pattern>
<pattern id="flowers" width="36" height="36" patternUnits="userSpaceOnUse">
  <rect width="36" height="36" fill="#5d4a86"/>
  <g fill="#f0b8c8"><circle cx="9" cy="6" r="4"/><circle cx="4" cy="11" r="4"/><circle cx="14" cy="11" r="4"/><circle cx="9" cy="15" r="4"/></g>
  <circle cx="9" cy="10.5" r="3" fill="#f6d860"/>
  <g fill="#cfe3f5"><circle cx="27" cy="24" r="3"/><circle cx="23" cy="28" r="3"/><circle cx="31" cy="28" r="3"/><circle cx="27" cy="31" r="3"/></g>
  <circle cx="27" cy="27.5" r="2.2" fill="#f6d860"/>
</pattern>`;

const README = `# Garments

Pictures of garments of all ten classes of Fashion-MNIST, drawn for this package: what \`weft predict\` looks at when it is
given no others. They differ in size, colour and ground (white, grey, dark, unevenly lit, transparent), as pictures from
elsewhere do; they are clean drawings all the same, and easier than photographs taken at home.

Made by \`npx tsx scripts/make-garments.ts\` from the SVG drawings in \`scripts/garments/\`. \`labels.json\` says what each shows.

Licence: CC0 1.0 (https://creativecommons.org/publicdomain/zero/1.0/): use them for anything.
`;

const JPEG = { quality: 84, chromaSubsampling: '4:2:0' };
const SEED = 7;

const { values } = parseArgs({ options: { out: { type: 'string', default: GARMENT_DIRECTORY } } });
await mkdir(values.out, { recursive: true });
const labels: Record<string, string> = {};
let total = 0;
for (const [index, drawing] of [...TOPS, ...REST].entries()) {
  const picture = sharp(Buffer.from(svgOf(drawing, PATTERNS, SEED + 101 * index)));
  const encoded = drawing.file.endsWith('.png')
    ? picture.png({ compressionLevel: 9, palette: true, quality: 90 })
    : picture.flatten({ background: '#ffffff' }).jpeg(JPEG);
  const bytes = await encoded.toBuffer();
  await writeFile(join(values.out, drawing.file), bytes);
  labels[drawing.file] = drawing.label;
  total += bytes.length;
  console.log(`${drawing.file}: ${drawing.label}, ${bytes.length} bytes`);
}
await writeFile(join(values.out, 'labels.json'), `${JSON.stringify(labels, null, 2)}\n`);
await writeFile(join(values.out, 'README.md'), README);
console.log(`${Object.keys(labels).length} pictures, ${total} bytes`);
