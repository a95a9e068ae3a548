#!/usr/bin/env bash
# @saehrimnir/druidjs 0.9.0: classical MDS of points in a plane does not give back their distances, nor their proportions.
#
# Expected: points in a plane, laid out in two dimensions, come back as they were but for turning and mirroring: that is what
#   multidimensional scaling is for, and in that case it is exact (Torgerson: the eigenvectors of the centred squared
#   distances times the square roots of their eigenvalues). PCA of the same package does it.
# Behaviour: MDS returns the bare eigenvectors. Each axis has length one, so that a cloud of 40 by 2 becomes a square: long and
#   short directions look alike, and distances in the picture mean nothing. ISOMAP ends in MDS and does the same.
# Output seen: 60 points in 39.3 x 2.0: PCA the same, error 0; MDS and ISOMAP 0.44 x 0.44, and scaled by the factor that suits
#   them best still with an error of 41 % in the distances.
# Source: README of the package, which lists MDS among the methods it has and states no other definition.
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts @saehrimnir/druidjs@0.9.0
cat >check.mjs <<'JS'
import assert from 'node:assert';
import * as druid from '@saehrimnir/druidjs';

const count = 60;
// Well spread and repeatable: multiples of two irrational numbers, modulo one.
const points = Array.from({ length: count }, (_, i) => [40 * ((i * Math.SQRT2) % 1), 2 * ((i * Math.sqrt(3)) % 1)]);

function distances(layout) {
  const all = [];
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < i; j++) all.push(Math.hypot(layout[i][0] - layout[j][0], layout[i][1] - layout[j][1]));
  }
  return all;
}
const truth = distances(points);

/** Relative error of the distances, after the one factor that suits them best. */
function bestStress(layout) {
  const found = distances(layout);
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const factor = dot(truth, found) / dot(found, found);
  const rest = truth.map((value, i) => value - factor * found[i]);
  return Math.sqrt(dot(rest, rest) / dot(truth, truth));
}
const extent = layout =>
  [0, 1].map(axis => Math.max(...layout.map(point => point[axis])) - Math.min(...layout.map(point => point[axis])));

console.log(`@saehrimnir/druidjs 0.9.0; points extend over ${extent(points).map(value => value.toFixed(2)).join(' x ')}`);
const results = {};
for (const name of ['PCA', 'MDS', 'ISOMAP']) {
  const layout = new druid[name](points, { d: 2, ...(name === 'ISOMAP' ? { neighbors: count - 1 } : {}) }).transform();
  results[name] = { extent: extent(layout), stress: bestStress(layout) };
  const size = results[name].extent.map(value => value.toFixed(2)).join(' x ');
  console.log(`${name}: extent ${size}, error after the best scaling ${results[name].stress.toFixed(3)} (expected 0)`);
}
assert(results.PCA.stress < 1e-6);
for (const name of ['MDS', 'ISOMAP']) {
  const [width, height] = results[name].extent;
  assert(results[name].stress > 0.2, `${name} gives distances back`);
  assert(Math.max(width, height) < 1, `${name} has the size of the data`);
}
JS
timeout 60 node --max-old-space-size=512 check.mjs
