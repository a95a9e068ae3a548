#!/usr/bin/env bash
# image-js 1.7.0: resize with bilinear or bicubic interpolation moves the picture; to the same size it is not the picture.
#
# Expected: resized to its own size, a picture stays as it is; and centres stay where they are: a ramp of 8 pixels halved gives
#   the means of neighbours, as OpenCV, Pillow and the browsers do it (or the pixels 0, 2, 4, 6, if corners were aligned).
# Behaviour: the source position is half a pixel too far to the left and top. Resized to its own size each pixel becomes the
#   mean with its left and upper neighbours, which also blurs it; halved it lies one source pixel off. Nearest neighbour, which
#   is next to it in the list, keeps the picture. A set of images resized thus does not lie over its boxes and masks.
# Output seen: ramp 0 36 72 ... 252, bilinear, 8 to 8: 0 18 54 90 126 162 198 234; 8 to 4: 0 54 126 198 where the means are
#   18 90 162 234.
# Source: documentation of resize (interpolationType), which states no shift.
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 100 npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional image-js@1.7.0
cat >check.mjs <<'JS'
import assert from 'node:assert';
import { Image } from 'image-js';

const ramp = new Image(8, 8, { colorModel: 'GREY' });
for (let row = 0; row < 8; row++) {
  for (let column = 0; column < 8; column++) ramp.setPixel(column, row, [36 * column]);
}
function firstRow(image) {
  return Array.from({ length: image.width }, (_, column) => image.getPixel(column, 0)[0]);
}
const resize = (size, interpolationType) => firstRow(ramp.resize({ width: size, height: size, interpolationType }));

const original = firstRow(ramp);
console.log(`image-js 1.7.0; each row of the picture is ${original}`);
for (const [size, type, expected, seen] of [
  [8, 'nearest', original, original],
  [8, 'bilinear', original, [0, 18, 54, 90, 126, 162, 198, 234]],
  [8, 'bicubic', original, [0, 16, 54, 90, 126, 162, 198, 236]],
  [4, 'bilinear', [18, 90, 162, 234], [0, 54, 126, 198]],
]) {
  const found = resize(size, type);
  console.log(`${type}, 8 to ${size}: ${found} (expected ${expected})`);
  assert.deepStrictEqual(found, seen);
}
JS
timeout 60 node --max-old-space-size=512 check.mjs
