#!/usr/bin/env bash
# density-clustering 1.3.0: DBSCAN does not count neighbours at exactly the given radius.
#
# Expected: the neighbourhood of DBSCAN is all points at a distance of at most epsilon (Ester and others, 1996; scikit-learn).
#   Points 0, 1, 2, 3 on a line with radius 1 and three points are one cluster. On pixels, counts and other whole numbers
#   distances are often exactly the radius.
# Behaviour: the comparison is strict. The same points are all noise; every pixel of a filled square too, with radius 1 and
#   any number of points above one. With a radius of 1.0000001 there is one cluster (a border point that is met before its
#   core point then stands in the cluster and in the list of noise).
# Output seen: line: 0 clusters, 4 points of noise; square of 10 x 10 pixels, 3 points: 0 clusters, 100 points of noise.
# Source: README of the package (neighborhood radius); Ester, Kriegel, Sander, Xu, definition 1.
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts density-clustering@1.3.0
cat >check.cjs <<'JS'
const assert = require('node:assert');
const { DBSCAN } = require('density-clustering');

function cluster(points, radius) {
  const model = new DBSCAN();
  const clusters = model.run(points, radius, 3);
  return [clusters.length, model.noise.length];
}
const line = [[0], [1], [2], [3]];
const square = Array.from({ length: 100 }, (_, index) => [index % 10, Math.floor(index / 10)]);

console.log('density-clustering 1.3.0: DBSCAN, 3 points; number of clusters and of points of noise (expected 1,0)');
for (const [name, points] of Object.entries({ line, square })) {
  const exact = cluster(points, 1);
  const above = cluster(points, 1.0000001);
  console.log(`${name}: radius 1: ${exact}; radius 1.0000001: ${above}`);
  assert.deepStrictEqual(exact, [0, points.length]);
  assert.strictEqual(above[0], 1);
}
JS
timeout 60 node --max-old-space-size=512 check.cjs
