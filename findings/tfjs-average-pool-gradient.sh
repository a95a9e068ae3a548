#!/usr/bin/env bash
# TensorFlow.js 4.22.0, CPU backend: the gradient of avgPool with padding is not the derivative of avgPool.
#
# Expected: the gradient agrees with finite differences of the forward pass, as that of conv2d and of avgPool without
#   padding does. The forward pass leaves the padding out of each average (a window at the border is divided by the elements
#   it really has), so on a picture of one constant t every output is t, and the derivatives of their sum must add up to the
#   number of outputs.
# Behaviour: the backward pass divides by the whole window, padding included. Gradients at the border are too small, at a
#   corner under a 3x3 window by a third, without any warning: layers before such a pooling learn less from the border.
# Output seen: 3x3 picture, window 3, stride 1, 'same': the gradients add up to 5.444, not 9; at the corner 0.444 where the
#   finite difference is 0.694. avgPool3d does the same. With padding 'valid' they agree.
# Source: documentation of tf.avgPool (it names no difference between the directions); found by comparing operations of
#   the CPU backend with finite differences.
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts @tensorflow/tfjs@4.22.0
cat >check.cjs <<'JS'
const assert = require('node:assert');
const tf = require('@tensorflow/tfjs');

const total = values => values.reduce((sum, value) => sum + value, 0);

/** The gradient of the sum of pool(x) at ones, and the same by central differences, element by element. */
function compare(shape, pool) {
  const size = shape.reduce((product, length) => product * length, 1);
  const gradient = Array.from(tf.grad(x => tf.sum(pool(x)))(tf.ones(shape)).dataSync());
  const at = (index, step) => {
    const values = new Float32Array(size).fill(1);
    values[index] += step;
    return total(Array.from(pool(tf.tensor(values, shape)).dataSync()));
  };
  const differences = gradient.map((_, index) => (at(index, 0.25) - at(index, -0.25)) / 0.5);
  return { gradient, differences };
}

(async () => {
  await tf.setBackend('cpu');
  console.log(`TensorFlow.js ${tf.version.tfjs}, backend ${tf.getBackend()}`);
  const same = compare([1, 3, 3, 1], x => tf.avgPool(x, 3, 1, 'same'));
  console.log(`same: gradients add up to ${total(same.gradient).toFixed(3)}, expected ${total(same.differences).toFixed(3)}`);
  console.log(`same, corner: ${same.gradient[0].toFixed(3)}, expected ${same.differences[0].toFixed(3)}`);
  assert(Math.abs(total(same.differences) - 9) < 1e-3);
  assert(Math.abs(total(same.gradient) - 49 / 9) < 1e-3);

  const cube = compare([1, 3, 3, 3, 1], x => tf.avgPool3d(x, 3, 1, 'same'));
  console.log(`3d: gradients add up to ${total(cube.gradient).toFixed(3)}, expected ${total(cube.differences).toFixed(3)}`);
  assert(Math.abs(total(cube.differences) - 27) < 1e-2);
  assert(total(cube.gradient) < 14);

  const valid = compare([1, 4, 4, 1], x => tf.avgPool(x, 2, 2, 'valid'));
  console.log(`valid: gradients add up to ${total(valid.gradient).toFixed(3)}, expected ${total(valid.differences).toFixed(3)}`);
  valid.gradient.forEach((value, index) => {
    assert(Math.abs(value - valid.differences[index]) < 1e-3);
  });
})();
JS
timeout 60 node --max-old-space-size=512 check.cjs 2>&1 | grep -v -e '^=*$' -e 'Hi, looks like'
