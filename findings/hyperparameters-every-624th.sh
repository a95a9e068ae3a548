#!/usr/bin/env bash
# hyperparameters 0.25.6: every 624th draw of its random generator is exactly zero.
#
# Expected: a Mersenne twister, as the package's RandomState is: an exact zero about once in four thousand million draws, so
#   that a sample of a continuous range never hits its lower end.
# Behaviour: the generator steps its position before it reads, so it never reads the first word of its state of 624 and reads
#   one beyond the last, which is undefined and comes out as 0. Draws 624, 1248, 1872 ... are 0, whatever the seed: uniform
#   gives its lower limit, loguniform its smallest value, choice its first option, randint 0. Of the configurations drawn from
#   a space of k parameters, one in 624 / k has a value at the edge.
# Output seen: seeds 1, 7 and 2026: of 5,000 samples of uniform(-5, 5) exactly 8 are -5, at 624, 1248, 1872, ...
# Source: README of the package (uniform: every value between low and high has an equal probability).
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts hyperparameters@0.25.6
cat >check.cjs <<'JS'
const assert = require('node:assert');
const { RandomState, loguniform, sample, uniform } = require('hyperparameters');

console.log('hyperparameters 0.25.6: 5,000 samples with one generator (expected: none at the lower limit)');
for (const seed of [1, 7, 2026]) {
  for (const [name, space, lowest] of [
    ['uniform(-5, 5)', uniform(-5, 5), -5],
    ['loguniform(-9, 0)', loguniform(-9, 0), Math.exp(-9)],
  ]) {
    const rng = new RandomState(seed);
    const places = [];
    for (let draw = 1; draw <= 5000; draw++) {
      if (sample.randomSample(space, { rng }) === lowest) places.push(draw);
    }
    console.log(`seed ${seed}, ${name}: at the lower limit at ${places.join(', ')}`);
    assert.deepStrictEqual(places, [624, 1248, 1872, 2496, 3120, 3744, 4368, 4992]);
  }
}
JS
timeout 60 node --max-old-space-size=512 check.cjs
