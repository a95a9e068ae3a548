#!/usr/bin/env bash
# imagescript 1.3.1: compositing over transparency keeps the transparency and darkens the colour.
#
# Expected: source-over, as canvas, sharp and jimp do it: half-transparent white over nothing is half-transparent white; two
#   layers of half opacity cover three quarters; opaque white over anything is opaque.
# Behaviour: the result mixes colour and alpha as if the picture below were opaque black where it is transparent.
#   Half-transparent white over nothing is half-transparent grey; two layers of half opacity have half opacity, however many
#   follow. Pasted drawings with soft edges get dark rims. Over an opaque picture the result is right.
# Output seen: white of alpha 128 over transparent: 128 128 128 128 where 255 255 255 128 is right; over black of alpha 128:
#   128 128 128 128 where it is 170 170 170 192; over opaque black: 128 128 128 255.
# Source: documentation of Image.composite (composites (overlays) the source onto this image).
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

function pixel(grey, alpha) {
  const image = new Image(1, 1);
  image.bitmap.set([grey, grey, grey, alpha]);
  return image;
}
/** White of one alpha over black of another, by source-over. */
function expected(above, below) {
  const alpha = above + below * (1 - above / 255);
  const grey = Math.round((255 * above) / alpha);
  return [grey, grey, grey, Math.round(alpha)];
}

console.log('imagescript 1.3.1: white composited onto black; red, green, blue, alpha');
for (const [above, below, seen] of [
  [255, 128, [255, 255, 255, 255]],
  [128, 255, [128, 128, 128, 255]],
  [128, 0, [128, 128, 128, 128]],
  [128, 128, [128, 128, 128, 128]],
  [64, 64, [64, 64, 64, 64]],
]) {
  const found = Array.from(pixel(0, below).composite(pixel(255, above)).bitmap);
  console.log(`alpha ${above} over alpha ${below}: ${found} (expected ${expected(above, below)})`);
  assert.deepStrictEqual(found, seen);
}
JS
timeout 60 node --max-old-space-size=512 check.mjs
