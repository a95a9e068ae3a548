#!/usr/bin/env bash
# hdbscan-ts 1.0.17: points of a dense group far from all others are called noise, or the parts of three groups one cluster.
#
# Expected: three groups of 20 points, each in a square of side 1, 100 apart, are three clusters without noise: a point whose
#   group is selected belongs to it (Campello and others; the Python package hdbscan gives every point below a selected node
#   of the condensed tree its label). With minClusterSize 20 each group is a cluster just large enough, and has no part that
#   is one.
# Behaviour: with minClusterSize 10 a point of each group is noise. With 20, 36 of 60 points are noise and the other 24, from
#   all three groups, form one cluster, over a gap of 100 times its neighbours' distance. With 19, 18 and 12 the result is
#   right.
# Output seen: labels of the groups: minClusterSize 19: 20 x 0, 20 x 1, 20 x 2; 20: in each group 6, 12 and 6 x 0, the rest
#   -1.
# Source: README of the package (minClusterSize: minimum size of clusters).
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts hdbscan-ts@1.0.17
cat >check.mjs <<'JS'
import assert from 'node:assert';
import { HDBSCAN } from 'hdbscan-ts';

// Well spread and repeatable: multiples of two irrational numbers, modulo one.
const points = Array.from({ length: 60 }, (_, index) => {
  const group = Math.floor(index / 20);
  const i = index % 20;
  return [100 * group + ((i * Math.SQRT2) % 1), (i * Math.sqrt(3)) % 1];
});

/** For each group of points: how many got which label. */
function cluster(minClusterSize) {
  const model = new HDBSCAN({ minClusterSize });
  model.fit(points);
  return [0, 1, 2].map(group => {
    const counts = {};
    for (const label of model.labels_.slice(20 * group, 20 * group + 20)) counts[label] = (counts[label] ?? 0) + 1;
    return counts;
  });
}

const right = [{ 0: 20 }, { 1: 20 }, { 2: 20 }];
console.log('hdbscan-ts 1.0.17: three groups of 20 points, 100 apart; label: number of points, -1 is noise');
for (const [size, seen] of [
  [12, right],
  [19, right],
  [10, [{ 0: 19, '-1': 1 }, { 1: 19, '-1': 1 }, { 2: 19, '-1': 1 }]],
  [20, [{ 0: 6, '-1': 14 }, { 0: 12, '-1': 8 }, { 0: 6, '-1': 14 }]],
]) {
  const found = cluster(size);
  console.log(`minClusterSize ${size}: ${found.map(counts => JSON.stringify(counts)).join(' ')} (expected 20 of each label)`);
  assert.deepStrictEqual(found, seen);
}
JS
timeout 60 node --max-old-space-size=512 check.mjs
