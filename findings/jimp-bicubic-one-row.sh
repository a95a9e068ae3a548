#!/usr/bin/env bash
# jimp 1.6.1: resized by bicubic interpolation, a picture of one row turns black, and any picture loses its right edge.
#
# Expected: a resize to the same size returns the picture; one constant grey stays that grey; the end of a ramp stays at the
#   end.
# Behaviour: the bicubic, Hermite and Bezier modes place target pixel x at x (width - 1) / width of the source. No target
#   pixel reaches the last column or row; a ramp of 8 to 8 pixels ends at 223 where it was 252. For a picture of one row (a
#   spectrum, a line of a scan, a colour bar) all come out as 0. Bilinear interpolation and the default keep both.
# Output seen: ramp 0 36 72 ... 252, 8 x 8 to 8 x 8, bicubic: 0 28 59 92 126 159 192 223; the ramp in one row, bicubic,
#   Hermite and Bezier: eight zeros, and a row of constant 200 also.
# Source: documentation of resize and ResizeStrategy, which names no smallest size.
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
import { Jimp, ResizeStrategy } from 'jimp';

const width = 8;
/** The first row of a picture with `height` equal rows, resized to the size it has. */
function resized(mode, height, grey) {
  const image = new Jimp({ width, height, color: 0x000000ff });
  for (let i = 0; i < width * height; i++) image.bitmap.data.fill(grey(i % width), 4 * i, 4 * i + 3);
  image.resize({ w: width, h: height, mode });
  return Array.from({ length: width }, (_, x) => image.bitmap.data[4 * x]);
}
const ramp = x => 36 * x;
const constant = () => 200;
const row = grey => Array.from({ length: width }, (_, x) => grey(x));

console.log('jimp 1.6.1: resize to the same size');
for (const mode of [undefined, ResizeStrategy.BILINEAR]) {
  assert.deepStrictEqual(resized(mode, 8, ramp), row(ramp));
  assert.deepStrictEqual(resized(mode, 1, ramp), row(ramp));
}
for (const mode of [ResizeStrategy.BICUBIC, ResizeStrategy.HERMITE, ResizeStrategy.BEZIER]) {
  const square = resized(mode, 8, ramp);
  const line = resized(mode, 1, ramp);
  const grey = resized(mode, 1, constant);
  console.log(`${mode}, 8 x 8: ${square} (expected ${row(ramp)})`);
  console.log(`${mode}, 8 x 1: ${line} (expected ${row(ramp)}); constant 200: ${grey}`);
  assert(square[7] < 225 && square[7] > 215);
  assert.deepStrictEqual([...new Set([...line, ...grey])], [0]);
}
JS
timeout 60 node --max-old-space-size=512 check.mjs
