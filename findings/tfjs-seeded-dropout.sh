#!/usr/bin/env bash
# TensorFlow.js 4.22.0: a dropout layer with a seed drops the same elements at every step.
#
# Expected: what Keras, whose API this is, does with a seed: a sequence of different masks that is the same from run to run.
#   A person sets the seed to make training repeatable, not to switch the noise off.
# Behaviour: the layer hands its seed to a new generator at every call, so each call of one shape gets one and the same mask.
#   In training the same places of a batch stay silent for ever; Monte Carlo dropout (the spread of many passes with
#   training: true, as a measure of uncertainty) reports a spread of exactly zero. spatialDropout1d inherits it.
# Output seen: 50 passes, rate 0.5, 64 inputs: 1 mask with a seed, 50 without; spread of the predictions 0 with a seed.
# Source: documentation of tf.layers.dropout, which says of the seed only that it is a random seed.
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

const passes = 50;
const input = tf.ones([1, 64]);

function masks(seed) {
  const layer = tf.layers.dropout({ rate: 0.5, ...(seed === undefined ? {} : { seed }) });
  const seen = new Set();
  for (let pass = 0; pass < passes; pass++) {
    seen.add(Array.from(layer.apply(input, { training: true }).dataSync(), value => (value === 0 ? 0 : 1)).join(''));
  }
  return seen.size;
}

function spread(seed) {
  const model = tf.sequential();
  model.add(tf.layers.dropout({ rate: 0.5, inputShape: [64], ...(seed === undefined ? {} : { seed }) }));
  model.add(tf.layers.dense({ units: 1, kernelInitializer: 'ones' }));
  const outputs = Array.from({ length: passes }, () => model.apply(input, { training: true }).dataSync()[0]);
  return Math.max(...outputs) - Math.min(...outputs);
}

(async () => {
  await tf.setBackend('cpu');
  console.log(`TensorFlow.js ${tf.version.tfjs}, tf.layers.dropout, ${passes} passes with training: true`);
  const seeded = masks(3);
  const free = masks();
  console.log(`different masks: ${seeded} with a seed (expected: many), ${free} without`);
  console.log(`spread of the predictions: ${spread(3)} with a seed (expected: above 0), ${spread()} without`);
  assert.strictEqual(seeded, 1);
  assert(free > passes / 2);
  assert.strictEqual(spread(3), 0);
  assert(spread() > 0);
})();
JS
timeout 60 node --max-old-space-size=512 check.cjs 2>&1 | grep -v -e '^=*$' -e 'Hi, looks like'
