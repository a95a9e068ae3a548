#!/usr/bin/env bash
# ml-distance 5.0.0: two histograms with an empty bin in common have the distance NaN.
#
# Expected: a bin that is empty in both histograms adds nothing: 0 log 0 is 0 in entropies, and 0 / 0 counts as 0 in the
#   chi-square and Canberra distances (SciPy's jensenshannon, entropy and canberra do so). The Jensen-Shannon divergence in
#   particular is finite for any two distributions, which is why one uses it.
# Behaviour: thirteen functions return NaN, among them jensenShannon, kullbackLeibler, squared (chi-square), canberra and
#   clark. Nothing is thrown; a nearest neighbour by such a distance is never found, as comparisons with NaN are false.
# Output seen: 0.5 0.5 and 0.25 0.75: jensenShannon 0.0338; with a third bin that is 0 in both: NaN. hellinger, matusita and
#   squaredChord are the same with and without.
# Source: documentation of the package; Cha, Comprehensive survey on distance measures between density functions, 2007 (0 / 0
#   and 0 log 0 are treated as 0).
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts ml-distance@5.0.0
cat >check.mjs <<'JS'
import assert from 'node:assert';
import { distance } from 'ml-distance';

const [first, second] = [
  [0.5, 0.5],
  [0.25, 0.75],
];
const withEmptyBin = histogram => [...histogram, 0];
const undefinedOnes = [
  'additiveSymmetric', 'canberra', 'clark', 'divergence', 'harmonicMean', 'jeffreys', 'jensenDifference', 'jensenShannon',
  'kdivergence', 'kullbackLeibler', 'probabilisticSymmetric', 'squared', 'topsoe',
];
console.log('ml-distance 5.0.0: 0.5 0.5 and 0.25 0.75, then both with a third bin of 0 (expected: no change)');
for (const name of [...undefinedOnes, 'hellinger', 'matusita', 'squaredChord']) {
  const without = distance[name](first, second);
  const found = distance[name](withEmptyBin(first), withEmptyBin(second));
  console.log(`${name}: ${without.toFixed(4)}, ${found.toFixed(4)}`);
  assert(Number.isFinite(without));
  assert(undefinedOnes.includes(name) ? Number.isNaN(found) : found === without, `${name} has changed`);
}
JS
timeout 60 node --max-old-space-size=512 check.mjs
