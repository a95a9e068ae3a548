#!/usr/bin/env bash
# jimp 1.6.1: convolute takes its kernel transposed: Sobel for vertical edges finds the horizontal ones.
#
# Expected: kernel[row][column], as a matrix is written in the source, and as convolution, the neighbouring method with nearly
#   the same documentation, takes it. The Sobel kernel [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]] answers to a step from left to right.
# Behaviour: convolute reads kernel[column][row]. Symmetric kernels (blur, sharpen) do not show it. Sobel and emboss kernels
#   work along the other axis: on the step from left to right the result is zero everywhere.
# Output seen: largest result of the Sobel kernel, step from left to right: convolution 200, convolute 0; step from top to
#   bottom: convolution 0, convolute 200. A kernel with 1 at row 1, column 0 moves a dot right (convolution), down (convolute).
# Source: documentation of convolute ("applies a convolution kernel", "the convolution kernel") and of convolution.
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

const size = 6;
function picture(grey) {
  const image = new Jimp({ width: size, height: size, color: 0x000000ff });
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) image.bitmap.data.fill(grey(x, y), 4 * (y * size + x), 4 * (y * size + x) + 3);
  }
  return image;
}
const red = image => Array.from(image.bitmap.data).filter((_, index) => index % 4 === 0);
const apply = (method, image, kernel) => red(image.clone()[method](kernel));

const sobel = [
  [-1, 0, 1],
  [-2, 0, 2],
  [-1, 0, 1],
];
const shift = [
  [0, 0, 0],
  [1, 0, 0],
  [0, 0, 0],
];
const leftToRight = picture(x => (x < 3 ? 0 : 50));
const topToBottom = picture((_, y) => (y < 3 ? 0 : 50));
const dot = picture((x, y) => (x === 2 && y === 2 ? 250 : 0));

console.log('jimp 1.6.1: the Sobel kernel for changes from left to right; largest result');
const found = {};
for (const method of ['convolution', 'convolute']) {
  const place = apply(method, dot, shift).indexOf(250);
  found[method] = [
    Math.max(...apply(method, leftToRight, sobel)),
    Math.max(...apply(method, topToBottom, sobel)),
    place % size,
    Math.floor(place / size),
  ];
  const [across, along, x, y] = found[method];
  console.log(`${method}: step from left to right ${across} (expected 200), from top to bottom ${along} (expected 0)`);
  console.log(`${method}: dot at 2,2 goes to ${x},${y} under a kernel with 1 at row 1, column 0 (expected 3,2)`);
}
assert.deepStrictEqual(found.convolution, [200, 0, 3, 2]);
assert.deepStrictEqual(found.convolute, [0, 200, 2, 3]);
JS
timeout 60 node --max-old-space-size=512 check.mjs
