#!/usr/bin/env bash
# scikitjs 1.24.0 (on @tensorflow/tfjs 4.22.0): rocAucScore is not the area under the ROC curve.
#
# Expected: what scikit-learn's roc_auc_score gives, since the package calls itself Scikit-Learn for JS: the share of pairs
#   (one positive, one negative) in which the positive has the higher score, ties counted half. So 1 for scores that separate
#   the classes, 0 for the same scores turned round, 0.75 for labels 0 0 1 1 with scores 0.1 0.4 0.35 0.8; the order in which
#   the cases are given does not matter.
# Behaviour: the function takes label and score as the corners of a polygon, in the order they are given, and returns its area.
#   Scores that separate perfectly get 0.5 and so do the same scores turned round.
# Output seen: perfect 0.500, reversed 0.500, the mixed example 0.375, the same four cases in another order 0.575.
# Source: src of the package, dist/node/metrics/metrics.js; its documentation gives no formula and no example for this function.
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts scikitjs@1.24.0 @tensorflow/tfjs@4.22.0
cat >check.cjs <<'JS'
const assert = require('node:assert');
const tf = require('@tensorflow/tfjs');
const scikit = require('scikitjs');
scikit.setBackend(tf);

// The definition, by counting pairs.
function area(labels, scores) {
  let sum = 0;
  let pairs = 0;
  for (const [i, positive] of labels.entries()) {
    for (const [j, negative] of labels.entries()) {
      if (positive !== 1 || negative !== 0) continue;
      pairs++;
      sum += scores[i] > scores[j] ? 1 : scores[i] === scores[j] ? 0.5 : 0;
    }
  }
  return sum / pairs;
}

const cases = [
  ['perfect', [0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], 1, 0.5],
  ['reversed', [1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9], 0, 0.5],
  ['mixed', [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.75, 0.375],
  ['mixed, other order', [1, 1, 0, 0], [0.8, 0.35, 0.4, 0.1], 0.75, 0.575],
];
console.log('scikitjs 1.24.0, @tensorflow/tfjs 4.22.0: metrics.rocAucScore');
for (const [name, labels, scores, expected, seen] of cases) {
  const got = scikit.metrics.rocAucScore(labels, scores);
  console.log(`${name}: expected ${expected}, got ${got.toFixed(3)}`);
  assert.strictEqual(area(labels, scores), expected);
  assert(Math.abs(got - seen) < 1e-4, `${name} is no longer ${seen}`);
}
JS
timeout 60 node --max-old-space-size=512 check.cjs 2>&1 | grep -v -e '^=*$' -e 'Hi, looks like'
