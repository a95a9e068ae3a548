#!/usr/bin/env bash
# sharp 0.35.5 (libvips 8.18.7): its own recipe for 16-bit raw pixels returns 8-bit values in 16-bit words.
#
# Expected: the documentation of raw() has an example for the alpha channel of a PNG as 16-bit numbers:
#   ensureAlpha().extractChannel(3).toColourspace('b-w').raw({ depth: 'ushort' }). For a PNG of 16 bits that should be the
#   stored values, 0 to 65535; and raw({ depth: 'ushort' }) alone should keep what the file holds.
# Behaviour: the colour space, not the depth, decides: unless it is set to grey16 or rgb16, pixels go to 8 bits first, and the
#   depth only widens the words. The result has type, length and reported depth of 16-bit data and values up to 255. The other
#   way round is no better: grey16 without a depth keeps the values and cuts them off at 255, so that nearly all is white.
#   Depth maps, medical pictures and masks lose their lower 8 bits and their scale, by a factor of 257.
# Output seen: alpha 0 1000 32767 40000 65535: by the recipe 0 3 127 155 255; by grey16 and ushort as stored; by grey16
#   alone 0 255 255 255 255.
# Source: documentation of raw in the package (dist/output.mjs), second example.
# Told to the makers: no.
#
# Runs with Node 20.9 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts sharp@0.35.5
cat >check.mjs <<'JS'
import assert from 'node:assert';
import sharp from 'sharp';

const alpha = [0, 1000, 32767, 40000, 65535];
const pixels = Uint16Array.from(alpha.flatMap(value => [500, 600, 700, value]));
const raw = { width: alpha.length, height: 1, channels: 4 };
const png = await sharp(pixels, { raw }).toColourspace('rgb16').png().toBuffer();
const { depth } = await sharp(png).metadata();
console.log(`sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}; a PNG of depth ${depth}, alpha ${alpha}`);
assert.strictEqual(depth, 'ushort');

async function values(picture) {
  const { data, info } = await picture.toBuffer({ resolveWithObject: true });
  const words = data.length / (info.width * info.channels);
  return words === 2 ? Array.from(new Uint16Array(data.buffer, data.byteOffset, data.length / 2)) : Array.from(data);
}
const channel = () => sharp(png).ensureAlpha().extractChannel(3);
const recipe = await values(channel().toColourspace('b-w').raw({ depth: 'ushort' }));
const both = await values(channel().toColourspace('grey16').raw({ depth: 'ushort' }));
const bytes = await values(channel().toColourspace('grey16').raw());
console.log(`b-w, ushort (the recipe): ${recipe} (expected ${alpha})`);
console.log(`grey16, ushort: ${both}`);
console.log(`grey16 alone: ${bytes} (expected one byte for each value, in proportion)`);
assert.deepStrictEqual(both, alpha);
assert.strictEqual(Math.max(...recipe), 255);
assert(recipe[2] < 129 && recipe[2] > 126);
assert.deepStrictEqual(bytes, [0, 255, 255, 255, 255]);
JS
timeout 60 node --max-old-space-size=512 check.mjs
