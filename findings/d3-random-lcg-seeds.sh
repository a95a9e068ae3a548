#!/usr/bin/env bash
# d3-random 3.0.2: seeds that follow one another give nearly the same first number.
#
# Expected: randomLcg(1), randomLcg(2), ... are independent streams to the eye: the first numbers of the trials of a search,
#   each with its own small seed so that it can be repeated, spread over the range, as with NumPy, PyTorch or seedrandom.
# Behaviour: the seed is the state, and the first number is one step of the generator from it: a seed more adds 0.00039. Every
#   trial draws its first hyperparameter from the same 4 % of the range, and the first normal deviates are not normal. The
#   second number is spread. Seeds 1 and -1 give one stream.
# Output seen: seeds 1 to 100: first numbers from 0.2365 to 0.2748; randomInt(10) of seeds 0 to 90 is always 2; second numbers
#   from 0.0019 to 0.9997.
# Source: documentation of randomLcg (the seed is a number in [0, 1) or any integer; made for repeatable random numbers).
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts d3-random@3.0.2
cat >check.mjs <<'JS'
import assert from 'node:assert';
import { randomInt, randomLcg } from 'd3-random';

const seeds = Array.from({ length: 100 }, (_, index) => index + 1);
const range = numbers => [Math.min(...numbers), Math.max(...numbers)];
const first = range(seeds.map(seed => randomLcg(seed)()));
const second = range(
  seeds.map(seed => {
    const random = randomLcg(seed);
    random();
    return random();
  }),
);
const digits = new Set(Array.from({ length: 91 }, (_, seed) => randomInt.source(randomLcg(seed))(10)()));
const text = pair => pair.map(value => value.toFixed(4)).join(' to ');

console.log('d3-random 3.0.2, randomLcg with seeds 1 to 100');
console.log(`first numbers: ${text(first)} (expected about 0.01 to 0.99)`);
console.log(`second numbers: ${text(second)}`);
console.log(`first randomInt(10) of seeds 0 to 90: ${[...digits]} (expected all ten digits)`);
assert.strictEqual(text(first), '0.2365 to 0.2748');
assert.strictEqual(text(second), '0.0019 to 0.9997');
assert.deepStrictEqual([...digits], [2]);
assert.strictEqual(randomLcg(1)(), randomLcg(-1)());
JS
timeout 60 node --max-old-space-size=512 check.mjs
