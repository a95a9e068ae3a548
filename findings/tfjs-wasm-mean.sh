#!/usr/bin/env bash
# TensorFlow.js 4.22.0, WebAssembly backend: the mean of as many pixels as Fashion-MNIST has is off by a quarter.
#
# Expected: the mean of 60,000 x 784 values between 0 and 1 to five digits or so: a library for large arrays sums in pieces,
#   pairwise or in float64, as NumPy and this library's own CPU backend do.
# Behaviour: the backend adds all elements of a reduction one after the other into one float32. Once the sum is large, small
#   values are rounded away: 47,040,000 values with mean 0.5 come out as 0.357, and 33,554,432 ones as 0.5. tf.moments, by
#   which one normalises a data set, uses the same sum. Taking the mean of every picture first is right.
# Output seen: cpu 0.50000, wasm 0.35666, wasm in two steps 0.50000; mean of 2^25 ones: cpu 1, wasm 0.5.
# Source: documentation of tf.mean and of the backend, which names no limit of size.
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft, in about 0.7 GB. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts \
  @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
cat >check.cjs <<'JS'
const assert = require('node:assert');
const { dirname } = require('node:path');
const tf = require('@tensorflow/tfjs');
const wasm = require('@tensorflow/tfjs-backend-wasm');
wasm.setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`);

// Grey levels 0 to 255 in turn, so that the mean is 0.5, in the shape of the training images.
const pixels = new Float32Array(60000 * 784);
for (let i = 0; i < pixels.length; i++) pixels[i] = (i % 256) / 255;

async function measure(backend) {
  await tf.setBackend(backend);
  return tf.tidy(() => {
    const images = tf.tensor2d(pixels, [60000, 784]);
    const result = {
      mean: tf.mean(images).dataSync()[0],
      moments: tf.moments(images).mean.dataSync()[0],
      twoSteps: tf.mean(tf.mean(images, 1)).dataSync()[0],
    };
    images.dispose();
    result.ones = tf.mean(tf.ones([2 ** 25])).dataSync()[0];
    return result;
  });
}

(async () => {
  console.log(`TensorFlow.js ${tf.version.tfjs}, mean of ${pixels.length} pixels, expected 0.5; of 2^25 ones, expected 1`);
  const cpu = await measure('cpu');
  const simd = await measure('wasm');
  console.log('cpu ', cpu);
  console.log('wasm', simd);
  assert(Math.abs(cpu.mean - 0.5) < 1e-4 && cpu.ones === 1);
  assert(Math.abs(simd.mean - 0.35666) < 1e-3);
  assert(Math.abs(simd.moments - 0.35666) < 1e-3);
  assert(Math.abs(simd.twoSteps - 0.5) < 1e-4);
  assert.strictEqual(simd.ones, 0.5);
})().catch(error => {
  console.error(error.message);
  process.exitCode = 1;
});
JS
timeout 90 node --max-old-space-size=1024 check.cjs 2>&1 | grep -v -e '^=*$' -e 'Hi, looks like'
