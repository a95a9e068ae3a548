#!/usr/bin/env bash
# geotiff 3.0.5: readRGB gives the white of a grey TIFF as black.
#
# Expected: a grey TIFF whose tag PhotometricInterpretation is 0 (WhiteIsZero, as scanners and fax machines write it) stores
#   white as 0 and black as the largest value. readRGB, which is there to return ready RGB, gives 255 for 0, 245 for 10 and 0
#   for 255, as other readers do; a picture of one bit gives 0 and 255.
# Behaviour: it scales by 256 and stores the result in bytes. White becomes 256, which wraps to 0: the paper is black, ink of
#   255 is 1, and everything between is one too bright. With BlackIsZero a picture of one bit is scaled by 2 where its largest
#   value is 1: its white is 128.
# Output seen: stored 0 10 200 255: geotiff 0 246 56 1, tiff 255 245 55 0; one bit, black is zero: 0 and 128.
# Source: TIFF 6.0, PhotometricInterpretation; documentation of readRGB (other colour spaces are transformed to RGB).
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts geotiff@3.0.5 tiff@7.1.3
cat >check.mjs <<'JS'
import assert from 'node:assert';
import { fromArrayBuffer } from 'geotiff';
import { decode } from 'tiff';

/** A baseline TIFF of one uncompressed strip: little-endian, one row, one sample for each pixel. */
function tiff(width, bits, photometric, strip) {
  const tags = [
    [256, width],
    [257, 1],
    [258, bits],
    [259, 1],
    [262, photometric],
    [273, 8 + 2 + 9 * 12 + 4],
    [277, 1],
    [278, 1],
    [279, strip.length],
  ];
  const bytes = new Uint8Array(8 + 2 + tags.length * 12 + 4 + strip.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x49, 0x49, 42, 0, 8, 0, 0, 0, tags.length, 0]);
  tags.forEach(([tag, value], index) => {
    const at = 10 + 12 * index;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, 3, true);
    view.setUint32(at + 4, 1, true);
    view.setUint16(at + 8, value, true);
  });
  bytes.set(strip, bytes.length - strip.length);
  return bytes.buffer;
}

async function red(file) {
  const image = await (await fromArrayBuffer(file)).getImage();
  return Array.from((await image.readRGB())[0]);
}

console.log('geotiff 3.0.5, readRGB');
const scan = tiff(4, 8, 0, [0, 10, 200, 255]);
const other = Array.from(decode(scan)[0].data);
const found = await red(scan);
console.log(`8 bits, white is zero, stored 0,10,200,255: ${found} (expected 255,245,55,0; tiff 7.1.3 gives ${other})`);
assert.deepStrictEqual(other, [255, 245, 55, 0]);
assert.deepStrictEqual(found, [0, 246, 56, 1]);

const letters = await red(tiff(8, 1, 1, [0b10110001]));
console.log(`1 bit, black is zero: ${letters} (expected 0 and 255)`);
assert.deepStrictEqual(letters, [128, 0, 128, 128, 0, 0, 0, 128]);
JS
timeout 60 node --max-old-space-size=512 check.mjs
