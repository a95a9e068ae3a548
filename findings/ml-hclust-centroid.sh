#!/usr/bin/env bash
# ml-hclust 4.0.0: clustering by centroids does not measure the distance of centroids.
#
# Expected: method 'centroid' (UPGMC) joins the two clusters whose centroids are nearest, at that distance; 'median' likewise.
#   On a line with 0, 1 and 3 the first join is 0 and 1, whose centroid 0.5 is 2.5 from 3. SciPy's linkage gives 2.5.
# Behaviour: the update formula of Lance and Williams for centroids holds for squared distances. The package applies it to
#   plain ones: 2.25. Not only heights differ: of random sets of 8 points about a quarter fall into other two clusters than by
#   the nearest centroids.
# Output seen: heights for 0 1 3 7 8.5: 1, 1.5, 2.25, 5.375 where they are 1, 1.5, 2.5, 6.417. Eight points of a plane:
#   cluster of one point 0 where it is 0 and 5.
# Source: documentation of agnes (methods centroid and upgmc), which names no squared distances.
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts ml-hclust@4.0.0
cat >check.mjs <<'JS'
import assert from 'node:assert';
import { agnes } from 'ml-hclust';

/** Joins the clusters with the nearest centroids until count are left. */
function byCentroids(points, count) {
  const clusters = points.map((point, index) => ({ centre: point, members: [index] }));
  const heights = [];
  while (clusters.length > count) {
    let nearest = { distance: Number.POSITIVE_INFINITY };
    for (let i = 0; i < clusters.length; i++) {
      for (let j = 0; j < i; j++) {
        const distance = Math.hypot(...clusters[i].centre.map((value, axis) => value - clusters[j].centre[axis]));
        if (distance < nearest.distance) nearest = { distance, i, j };
      }
    }
    heights.push(nearest.distance);
    const [second] = clusters.splice(nearest.i, 1);
    const first = clusters[nearest.j];
    first.members.push(...second.members);
    first.centre = first.centre.map(
      (_, axis) => first.members.reduce((sum, member) => sum + points[member][axis], 0) / first.members.length,
    );
  }
  return { heights, clusters: describe(clusters.map(cluster => cluster.members)) };
}
function describe(clusters) {
  return clusters.map(members => members.toSorted((a, b) => a - b).join(' ')).toSorted().join(' | ');
}
function heights(tree) {
  return tree.isLeaf ? [] : [...tree.children.flatMap(heights), tree.height].toSorted((a, b) => a - b);
}

console.log('ml-hclust 4.0.0, agnes, method centroid');
const line = [[0], [1], [3], [7], [8.5]];
const found = heights(agnes(line, { method: 'centroid' })).map(height => Number(height.toFixed(6)));
const expected = byCentroids(line, 1).heights;
console.log(`heights of 0 1 3 7 8.5: ${found} (expected ${expected})`);
assert.deepStrictEqual(found, [1, 1.5, 2.25, 5.375]);
assert.strictEqual(expected[2], 2.5);

const plane = [[2, 6], [5, 4], [5, 1], [7, 2], [4, 2], [7, 7], [4, 1], [9, 1]];
const two = describe(agnes(plane, { method: 'centroid' }).group(2).children.map(child => child.indices()));
console.log(`two clusters of eight points: ${two} (expected ${byCentroids(plane, 2).clusters})`);
assert.strictEqual(two, '0 | 1 2 3 4 5 6 7');
assert.strictEqual(byCentroids(plane, 2).clusters, '0 5 | 1 2 3 4 6 7');
JS
timeout 60 node --max-old-space-size=512 check.mjs
