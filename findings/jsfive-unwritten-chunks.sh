#!/usr/bin/env bash
# jsfive 0.4.2: rows of an HDF5 data set that were never written are read as undefined, in part.
#
# Expected: an extended data set holds its fill value, 0 by default, where no chunk was written: the HDF5 library stores
#   nothing there and gives the fill value to each reader. Logs of training runs are made so: enlarged ahead, filled as epochs
#   end.
# Behaviour: jsfive lays the chunks it finds into a new array and leaves the rest as holes. value has the right length, and
#   undefined where no chunk is, so that a sum is NaN. Rows inside the last chunk that exists are 0, so that it depends on the
#   chunk size which of the unwritten rows can be counted on.
# Output seen: 3 x 4 numbers, chunks of 2 rows, enlarged to 8 x 4: h5wasm gives 20 zeros after the 12 numbers; jsfive 4 zeros
#   and 16 undefined.
# Source: HDF5 specification, fill value message (fill value of a data set without one: zero); README of jsfive.
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts jsfive@0.4.2 h5wasm@0.10.3
cat >check.mjs <<'JS'
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import * as hdf5 from 'h5wasm/node';
import { File } from 'jsfive';

await hdf5.ready;
const written = Int16Array.from({ length: 12 }, (_, index) => index + 1);
const writer = new hdf5.File('log.h5', 'w');
writer.create_dataset({ name: 'loss', data: written, shape: [3, 4], maxshape: [null, 4], chunks: [2, 4] });
writer.get('loss').resize([8, 4]);
writer.close();

const reader = new hdf5.File('log.h5', 'r');
const expected = Array.from(reader.get('loss').value);
reader.close();
const bytes = readFileSync('log.h5');
const dataset = new File(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length), 'log.h5').get('loss');
const found = Array.from(dataset.value);

console.log('jsfive 0.4.2: 3 x 4 numbers in chunks of 2 rows, enlarged to 8 x 4');
console.log(`h5wasm 0.10.3: ${expected.join(' ')}`);
console.log(`jsfive: ${found.map(String).join(' ')} (expected the same), sum ${found.reduce((sum, value) => sum + value, 0)}`);
assert.deepStrictEqual(expected, [...written, ...new Array(20).fill(0)]);
assert.deepStrictEqual(dataset.shape, [8, 4]);
assert.deepStrictEqual(found, [...written, 0, 0, 0, 0, ...new Array(16).fill(undefined)]);
JS
timeout 60 node --max-old-space-size=512 check.mjs
