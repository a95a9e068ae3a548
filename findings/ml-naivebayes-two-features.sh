#!/usr/bin/env bash
# ml-naivebayes 4.0.0: GaussianNB learns from all features and decides by the first two.
#
# Expected: a naive Bayes classifier multiplies the densities of all features; the order of the columns does not matter. With
#   784 pixels it looks at 784 pixels.
# Behaviour: train estimates mean and deviation of every feature, predict uses those of the first two only (its loop runs over
#   the length of a pair where the number of features was meant). If these two say nothing, as the corner of a picture, the
#   answers are guesses, however clear the others are. There is no warning. By the same mix-up predict throws a RangeError
#   about differing features when the rows to predict are one more than the features.
# Output seen: 400 cases of two classes, 2 features of noise and 6 that separate: 400 right with the 6 in front, about half right
#   with the noise in front. 8 features, predicting 9 rows: RangeError; 8 or 10 rows: answers.
# Source: README of the package; src/GaussianNB.js.
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts ml-naivebayes@4.0.0
cat >check.mjs <<'JS'
import assert from 'node:assert';
import { GaussianNB } from 'ml-naivebayes';

// A repeatable generator (mulberry32) and normal noise from it.
let state = 1;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const noise = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

const labels = Array.from({ length: 400 }, (_, index) => index % 2);
const clear = labels.map(label => Array.from({ length: 6 }, () => 10 * label + noise()));
const mute = labels.map(() => [noise(), noise()]);

function fit(rows) {
  const model = new GaussianNB();
  model.train(rows, labels);
  return model;
}
function right(rows) {
  const predicted = fit(rows).predict(rows);
  return predicted.filter((value, index) => value === labels[index]).length;
}
const inFront = right(clear.map((row, index) => [...row, ...mute[index]]));
const behind = right(clear.map((row, index) => [...mute[index], ...row]));
console.log('ml-naivebayes 4.0.0, GaussianNB: 400 cases of two classes, 6 features that separate and 2 of noise');
console.log(`right with the noise behind: ${inFront}; with the noise in front: ${behind} (expected 400 for both)`);
assert.strictEqual(inFront, 400);
assert(behind < 260, 'the other features are used');

const rows = clear.map((row, index) => [...row, ...mute[index]]);
const model = fit(rows);
for (const count of [8, 10]) assert.strictEqual(model.predict(rows.slice(0, count)).length, count);
assert.throws(
  () => model.predict(rows.slice(0, 9)),
  error => {
    console.log(`8 features, predicting 9 rows: ${error.name}: ${error.message} (expected: 9 answers)`);
    return error instanceof RangeError;
  },
);
JS
timeout 60 node --max-old-space-size=512 check.mjs
