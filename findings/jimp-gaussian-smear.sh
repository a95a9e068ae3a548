#!/usr/bin/env bash
# jimp 1.6.1: gaussian, its "true Gaussian blur", moves a dot to the left and smears it down.
#
# Expected: a symmetric filter. A white dot on black becomes a round spot about the same centre; a mirrored picture gives the
#   mirrored result; for radius 1 the peak is 255 / (2 pi), about 41.
# Behaviour: the filter writes into the picture it still reads, so that each window sees its left and upper half blurred
#   already, and stores a pixel after each row of its window, unfinished. The brightest pixel of the spot is not where the dot
#   was, and a tail runs from it over the rest of the picture, to the right and down. blur of the same plugin, an
#   approximation according to its documentation, is symmetric.
# Output seen: a dot at 5,5 of 11 x 11, radius 1: the brightest pixel is 31 at 4,5; at 5,5 there is 11; two pixels left of the
#   dot 8, two right 4; four below 1, four above 0. blur(2): largest at 5,5, the same on all four sides.
# Source: documentation of gaussian in @jimp/plugin-blur.
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 100 npm install --silent --no-audit --no-fund --ignore-scripts jimp@1.6.1
cat >check.mjs <<'JS'
import assert from 'node:assert';
import { Jimp } from 'jimp';

const size = 11;
const middle = 5;
function blurred(filter) {
  const image = new Jimp({ width: size, height: size, color: 0x000000ff });
  image.bitmap.data.set([255, 255, 255], 4 * (middle * size + middle));
  filter(image);
  const grey = Array.from({ length: size * size }, (_, index) => image.bitmap.data[4 * index]);
  const brightest = grey.indexOf(Math.max(...grey));
  const at = (x, y) => grey[y * size + x];
  return { at, brightest: [brightest % size, Math.floor(brightest / size)] };
}
const sides = at => [at(3, 5), at(7, 5), at(5, 3), at(5, 7), at(1, 5), at(9, 5), at(5, 1), at(5, 9)];

console.log(`jimp 1.6.1: a white dot at ${middle},${middle} of ${size} x ${size} pixels`);
const box = blurred(image => image.blur(2));
console.log(`blur(2): brightest at ${box.brightest}; left, right, above, below at 2 and 4 pixels: ${sides(box.at)}`);
assert.deepStrictEqual(box.brightest, [5, 5]);
assert.strictEqual(new Set(sides(box.at).slice(0, 4)).size, 1);

const { at, brightest } = blurred(image => image.gaussian(1));
for (let y = 0; y < size; y++) console.log(Array.from({ length: size }, (_, x) => String(at(x, y)).padStart(3)).join(''));
console.log(`gaussian(1): brightest at ${brightest} (expected 5,5): ${at(...brightest)} of 255 (expected 41)`);
console.log(`left, right, above, below at 2 and 4 pixels: ${sides(at)} (expected four equal numbers, twice)`);
assert.deepStrictEqual(brightest, [4, 5]);
assert.deepStrictEqual([at(4, 5), at(5, 5)], [31, 11]);
assert.deepStrictEqual(sides(at), [8, 4, 6, 4, 0, 1, 0, 1]);
JS
timeout 60 node --max-old-space-size=512 check.mjs
