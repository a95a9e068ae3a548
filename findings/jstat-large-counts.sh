#!/usr/bin/env bash
# jstat 1.9.6: distribution functions of large samples give probabilities below zero, and of Poisson from 144 on no number.
#
# Expected: beta.cdf(0.5, n, n) is 0.5 for every n, as the distribution is symmetric; so are centralF.cdf(1, n, n) and
#   studentt.cdf(0, n). A probability lies between 0 and 1. poisson.pdf(k, k) is close to 1 / sqrt(2 pi k). The package
#   computes neighbours of these (gamma, chi-square, normal) well for large parameters.
# Behaviour: the continued fraction of the incomplete beta function ends after 100 terms, converged or not, and nobody is told.
#   The beta distribution of a comparison of two variants with some 100,000 trials is off in the second digit; with ten million
#   the probability is negative, then below -2. The Poisson density divides a power by a factorial: both overflow, so that it is
#   infinite from 144 and NaN from 171.
# Output seen: beta.cdf(0.5, n, n): n = 1e4 0.500000, 1e5 0.499888, 1e6 0.440405, 1e7 -0.173565, 1e8 -2.498497; the Student
#   and F functions the same; poisson.pdf(150, 150) Infinity, poisson.pdf(200, 200) and poisson.cdf(200, 200) NaN.
# Source: documentation of the package (jStat.beta.cdf, jStat.poisson.pdf), which names no limit of the parameters.
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts jstat@1.9.6
cat >check.cjs <<'JS'
const assert = require('node:assert');
const { jStat } = require('jstat');

console.log('jstat 1.9.6: beta.cdf(0.5, n, n), centralF.cdf(1, 2 n, 2 n), studentt.cdf(0, 2 n); expected 0.5');
const seen = { 1e4: 0.5, 1e5: 0.499888, 1e6: 0.440405, 1e7: -0.173565, 1e8: -2.498497 };
for (const [key, value] of Object.entries(seen)) {
  const n = Number(key);
  const found = [jStat.beta.cdf(0.5, n, n), jStat.centralF.cdf(1, 2 * n, 2 * n), jStat.studentt.cdf(0, 2 * n)];
  console.log(`n = ${n}: ${found.map(probability => probability.toFixed(6)).join(', ')}`);
  for (const probability of found) assert(Math.abs(probability - value) < 1e-5, `no longer ${value} for ${n}`);
}

console.log('poisson.pdf(k, k), expected about 1 / sqrt(2 pi k)');
for (const [k, pdf] of [
  [140, 0.0336967],
  [150, Number.POSITIVE_INFINITY],
  [200, Number.NaN],
]) {
  const found = jStat.poisson.pdf(k, k);
  console.log(`k = ${k}: ${found} (expected ${(1 / Math.sqrt(2 * Math.PI * k)).toFixed(5)})`);
  if (Number.isFinite(pdf)) assert(Math.abs(found - pdf) < 1e-6);
  else assert.strictEqual(found, pdf);
}
assert.strictEqual(jStat.poisson.cdf(200, 200), Number.NaN);
JS
timeout 60 node --max-old-space-size=512 check.cjs
