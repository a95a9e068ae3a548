#!/usr/bin/env bash
# hdr-histogram-js 3.0.1: with small buckets the counts wrap round, and percentiles become those of other values.
#
# Expected: bitBucketSize 8 or 16, which the README offers for a small memory footprint, limits the counts: beyond 255 or
#   65,535 a count stays at its limit, or recording fails (as a value beyond the largest trackable one does).
# Behaviour: the count of a value wraps to 0 at the 256th (65,536th) record, while the total goes on. After 300 records of 100
#   and 100 of 5 the median is 0, a value that was never recorded, and the mean throws an error about an index. The histogram
#   of a long run passes this point for its most frequent values first, those that the median stands for.
# Output seen: bitBucketSize 8: total 400, count of value 100 is 44, median 0; 32: count 300, median 100.
# Source: README of the package, options of hdr.build (bitBucketSize may be 8, 16, 32, 64 or packed).
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts hdr-histogram-js@3.0.1
cat >check.cjs <<'JS'
const assert = require('node:assert');
const hdr = require('hdr-histogram-js');

function fill(bitBucketSize, often) {
  const histogram = hdr.build({ bitBucketSize });
  for (let i = 0; i < often; i++) histogram.recordValue(100);
  for (let i = 0; i < 100; i++) histogram.recordValue(5);
  let mean;
  try {
    mean = histogram.mean;
  } catch (error) {
    mean = error.message;
  }
  return [histogram.totalCount, histogram.getCountAtIndex(100), histogram.getValueAtPercentile(50), mean];
}

console.log('hdr-histogram-js 3.0.1: value 100 many times, value 5 a hundred times: total, count of 100, median, mean');
for (const [bits, often, count, median] of [
  [32, 300, 300, 100],
  [8, 200, 200, 100],
  [8, 300, 44, 0],
  [16, 70000, 4464, 0],
]) {
  const found = fill(bits, often);
  console.log(`bitBucketSize ${bits}, ${often} times: ${found.join(', ')} (expected count ${often}, median 100)`);
  assert.deepStrictEqual(found.slice(0, 3), [often + 100, count, median]);
  assert.strictEqual(typeof found[3], median === 0 ? 'string' : 'number');
}
JS
timeout 60 node --max-old-space-size=512 check.cjs
