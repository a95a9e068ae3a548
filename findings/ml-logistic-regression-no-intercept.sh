#!/usr/bin/env bash
# ml-logistic-regression 2.0.0: the model has no intercept: one threshold on one variable cannot be learnt.
#
# Expected: logistic regression as the textbooks and scikit-learn have it, with a constant term: of six values 1 to 6, the
#   upper three positive, it finds the threshold 3.5 and classifies all six; shifting all values changes nothing.
# Behaviour: the score is a weight for each feature and nothing else, so that the boundary goes through the origin. Six
#   positive values get one class, however long it is trained; there is no option. With a column of ones the result is right.
#   The example of the README runs through all its cases without it, as its classes lie in different directions from the
#   origin.
# Output seen: values 1 to 6: 1,1,1,1,1,1 where 0,0,0,1,1,1 is expected; the same less 3.5: 0,0,0,1,1,1; with a column of
#   ones: 0,0,0,1,1,1.
# Source: README of the package; src/logreg_2classes.js.
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts ml-logistic-regression@2.0.0 ml-matrix@6.15.1
cat >check.cjs <<'JS'
const assert = require('node:assert');
const { Matrix } = require('ml-matrix');
const package_ = require('ml-logistic-regression');
const LogisticRegression = package_.default ?? package_;

const labels = [0, 0, 0, 1, 1, 1];
function classify(rows) {
  const model = new LogisticRegression({ numSteps: 20000, learningRate: 1e-2 });
  model.train(new Matrix(rows), Matrix.columnVector(labels));
  return Array.from(model.predict(new Matrix(rows)));
}
const values = [1, 2, 3, 4, 5, 6];

console.log('ml-logistic-regression 2.0.0: classes of six training values (expected 0,0,0,1,1,1)');
const plain = classify(values.map(value => [value]));
const centred = classify(values.map(value => [value - 3.5]));
const ones = classify(values.map(value => [value, 1]));
console.log(`1 to 6: ${plain}; less 3.5: ${centred}; with a column of ones: ${ones}`);
assert.strictEqual(new Set(plain).size, 1);
assert.deepStrictEqual(centred, labels);
assert.deepStrictEqual(ones, labels);
JS
timeout 60 node --max-old-space-size=512 check.cjs
