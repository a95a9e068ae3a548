#!/usr/bin/env bash
# imagescript 1.3.1: turned by 90 or 270 degrees, a picture that is not square is scrambled.
#
# Expected: a quarter turn moves each pixel to one new place: 3 x 2 becomes 2 x 3 with the same six values. A picture of 3 x 3
#   and a half turn show that rotate does so, counter-clockwise.
# Behaviour: with unequal sides the rows get out of step. Turned by 90 degrees, 4 x 2 pixels keep their order in memory under
#   the new width and height, so that the picture is sheared, not turned; of 3 x 2 and 6 x 4 some pixels are lost and others
#   doubled. By 270 degrees pixels are lost as well, and transparent black stands in their place. The size that comes out is
#   right.
# Output seen: 1 2 3 / 11 12 13 by 90 degrees: 1 2 / 3 2 / 12 0 where it is 3 13 / 2 12 / 1 11; 4 x 2: 1 2 / 3 4 / 11 12 / 13
#   14.
# Source: documentation of Image.rotate (angle: the angle to rotate the image for; resize: whether to resize).
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts imagescript@1.3.1
cat >check.mjs <<'JS'
import assert from 'node:assert';
import { Image } from 'imagescript';

/** The red values of a turned picture, whose pixel at x, y has the value 1 + x + 10 y. */
function turned(width, height, angle) {
  const image = new Image(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) image.bitmap.set([1 + x + 10 * y, 0, 0, 255], 4 * (y * width + x));
  }
  const result = image.rotate(angle);
  const reds = Array.from(result.bitmap).filter((_, index) => index % 4 === 0);
  return { size: [result.width, result.height], reds };
}
function quarterTurn(width, height) {
  const values = [];
  for (let x = width - 1; x >= 0; x--) {
    for (let y = 0; y < height; y++) values.push(1 + x + 10 * y);
  }
  return values;
}

console.log('imagescript 1.3.1, rotate(90)');
for (const [width, height, seen] of [
  [3, 3, quarterTurn(3, 3)],
  [3, 2, [1, 2, 3, 2, 12, 0]],
  [4, 2, [1, 2, 3, 4, 11, 12, 13, 14]],
]) {
  const { size, reds } = turned(width, height, 90);
  console.log(`${width} x ${height} becomes ${size.join(' x ')}: ${reds} (expected ${quarterTurn(width, height)})`);
  assert.deepStrictEqual(size, [height, width]);
  assert.deepStrictEqual(reds, seen);
}
const lost = quarterTurn(6, 4).filter(value => !turned(6, 4, 270).reds.includes(value)).length;
console.log(`6 x 4 by 270 degrees: ${lost} of 24 pixels lost (expected 0)`);
assert.strictEqual(lost, 6);
JS
timeout 60 node --max-old-space-size=512 check.mjs
