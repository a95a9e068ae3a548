#!/usr/bin/env bash
# h5wasm 0.10.3: whole numbers beyond 2^31 are written as other numbers, numbers with a fraction are not.
#
# Expected: an array of JavaScript numbers (float64) without a dtype is stored in a type that holds its values, or refused. h5py
#   stores Python integers as int64 and refuses what does not fit.
# Behaviour: if every number is whole, the type becomes int32, whatever the size. 3000000000 comes back as -1294967296, 2^40
#   as 0, 1e300 as 0, the present time in milliseconds as anything. Put one number with a fraction beside it and all are
#   stored as float64 and come back. Attributes do the same. A count of samples, a time or a seed in a file of results is
#   lost without a word, and the file looks right until its numbers are read.
# Output seen: [3000000000, 1] -> -1294967296, 1; [3000000000, 1.5] -> 3000000000, 1.5; [2^40, 2^53] -> 0, 0;
#   attribute 1700000000000 -> -807049216.
# Source: README of the package (dtype may be left out and is then guessed; it states no range).
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts h5wasm@0.10.3
cat >check.mjs <<'JS'
import assert from 'node:assert';
import * as hdf5 from 'h5wasm/node';

await hdf5.ready;
const cases = [
  [[3000000000, 1], [-1294967296, 1]],
  [[3000000000, 1.5], [3000000000, 1.5]],
  [[2 ** 40, 2 ** 53], [0, 0]],
  [[1e300], [0]],
  [[7, -7], [7, -7]],
];
const writer = new hdf5.File('numbers.h5', 'w');
cases.forEach(([data], index) => {
  writer.create_dataset({ name: `numbers${index}`, data });
});
writer.create_attribute('time', 1700000000000);
writer.close();

console.log('h5wasm 0.10.3: numbers written without a dtype and read back');
const reader = new hdf5.File('numbers.h5', 'r');
cases.forEach(([data, seen], index) => {
  const dataset = reader.get(`numbers${index}`);
  console.log(`${data}: got ${dataset.value} as ${dataset.dtype} (expected ${data})`);
  assert.deepStrictEqual(Array.from(dataset.value), seen);
});
const { time } = reader.attrs;
console.log(`attribute 1700000000000: got ${time.value} as ${time.dtype}`);
assert.strictEqual(time.value, 1700000000000 | 0);
reader.close();
JS
timeout 60 node --max-old-space-size=512 check.mjs
