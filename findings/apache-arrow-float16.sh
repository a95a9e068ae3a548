#!/usr/bin/env bash
# apache-arrow 21.2.0 for JavaScript: some float16 values are stored as half of what they are, and 70000 as 2.13.
#
# Expected: a number put into a Float16 column is rounded to the nearest of the format (relative error at most 2^-11 in its
#   normal range), numbers of 65520 and more become infinite, as IEEE 754 has it and NumPy and PyTorch do it.
# Behaviour: a number just below a power of two, which rounds up to that power, loses the carry in every second binade: half of
#   the power is stored. That is one in 2,048 of the numbers from 0.25 to 0.5, 1 to 2, 4 to 8, ..., 64 to 128 and so on, below
#   one as above. Beyond the range the exponent wraps round, unless the number has more bits than fit the upper word of a
#   float64: 65536 becomes 2, a million 3.8. So some weights of a network are halved, and what overflows comes back small.
# Output seen: 127.99 -> 64, 0.49999 -> 0.25, 2047.9 -> 1024; 70000 -> 2.134765625, 1000000 -> 3.814453125; of 40,960 numbers
#   spread over 0.25 to 0.5 the last 20 are stored as 0.25.
# Source: Arrow columnar format, floating point (IEEE 754 half precision); util/math of the package, whose comments say the same.
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts apache-arrow@21.2.0
cat >check.cjs <<'JS'
const assert = require('node:assert');
const { Float16, Table, tableFromIPC, tableToIPC, vectorFromArray } = require('apache-arrow');

const store = numbers => {
  const table = new Table({ half: vectorFromArray(numbers, new Float16()) });
  return [...tableFromIPC(tableToIPC(table)).getChild('half')];
};

console.log('apache-arrow 21.2.0: numbers through a Float16 column and an IPC file');
const cases = [
  [1.5, 1.5, 1.5],
  [100.1, 100.125, 100.125],
  [127.99, 128, 64],
  [0.49999, 0.5, 0.25],
  [2047.9, 2048, 1024],
  [-0.49999, -0.5, -0.25],
  [65504, 65504, 65504],
  [65536, Number.POSITIVE_INFINITY, 2],
  [70000, Number.POSITIVE_INFINITY, 2.134765625],
  [1e6, Number.POSITIVE_INFINITY, 3.814453125],
];
const stored = store(cases.map(([number]) => number));
cases.forEach(([number, expected, seen], index) => {
  console.log(`${number}: expected ${expected}, got ${stored[index]}`);
  assert.strictEqual(stored[index], seen);
});

// Evenly spaced numbers of one binade.
const count = 40960;
const binade = Array.from({ length: count }, (_, index) => 0.25 + (0.25 * (index + 0.5)) / count);
const wrong = store(binade).filter((value, index) => Math.abs(value / binade[index] - 1) > 2 ** -10).length;
console.log(`of ${count} numbers from 0.25 to 0.5: ${wrong} with more than twice the error of the format (expected 0)`);
assert.strictEqual(wrong, 20);
JS
timeout 60 node --max-old-space-size=512 check.cjs
