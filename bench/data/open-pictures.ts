/**
 * Opens a folder of pictures and says, as JSON, how long that took and how far the resident size rose over what it was after
 * the imports: `open-pictures.ts FOLDER CACHE`. The system counts the peak; where it can be reset (Linux), the count begins
 * after the imports.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { openDataset } from '../../src/data/index.node.ts';

/** Largest resident size so far, in bytes. */
function peak(): number {
  try {
    const [, kibibytes] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
    return 1024 * Number(kibibytes);
  } catch {
    return 1024 * process.resourceUsage().maxRSS;
  }
}

const [folder, cacheDir] = process.argv.slice(2);
// What every reading loads when it decodes the first picture.
await import('sharp');
await import('pngjs');
try {
  writeFileSync('/proc/self/clear_refs', '5');
} catch {
  // The peak of the imports stays in the count then.
}
const before = Math.min(process.memoryUsage.rss(), peak());
const began = performance.now();
const { train, test, provenance } = await openDataset(folder, { cacheDir });
const seconds = (performance.now() - began) / 1000;
const peakBytes = peak() - before;
const arrayBytes = [train, test].reduce((sum, { images, labels }) => sum + images.length + labels.length, 0);
const pictures = train.count + test.count;
console.log(
  JSON.stringify({
    seconds,
    arrayBytes,
    peakBytes,
    pictures,
    sha256: provenance.checksums.map(({ sha256 }) => sha256).join(' '),
  }),
);
