#!/usr/bin/env bash
# ml-pca 4.1.1: with the method NIPALS the eigenvalues are too large by the number of samples less one.
#
# Expected: the option method chooses how the components are computed, not what they are: eigenvalues are the variances along
#   the components, standard deviations their roots, as the methods SVD and covarianceMatrix give them.
# Behaviour: with NIPALS getEigenvalues returns sums of squares, and getStandardDeviations their roots. Both grow with the
#   number of samples, 49-fold and 7-fold for 50. Shares of the explained variance and the scores are right, so that nobody is
#   warned; a rule such as 'keep eigenvalues above one' keeps all components.
# Output seen: 50 samples: SVD and covarianceMatrix 8.664, 0.352, 0.080; NIPALS 424.530, 17.247, 3.912.
# Source: documentation of the package (options.method; getEigenvalues, which tells no difference between the methods).
# Told to the makers: no.
#
# Runs with Node 20 or newer, without weft. Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts ml-pca@4.1.1
cat >check.cjs <<'JS'
const assert = require('node:assert');
const { PCA } = require('ml-pca');

const count = 50;
// Well spread and repeatable: multiples of irrational numbers, modulo one.
const samples = Array.from({ length: count }, (_, i) => [
  10 * ((i * Math.SQRT2) % 1),
  2 * ((i * Math.sqrt(3)) % 1),
  (i * Math.sqrt(5)) % 1,
]);
const methods = ['SVD', 'covarianceMatrix', 'NIPALS'];
const models = methods.map(method => new PCA(samples, { method, nCompNIPALS: 3 }));
const scores = models.map(model => model.predict(samples).getColumn(0));

console.log(`ml-pca 4.1.1, ${count} samples of three variables`);
models.forEach((model, index) => {
  const eigenvalues = model.getEigenvalues();
  const mean = scores[index].reduce((sum, value) => sum + value, 0) / count;
  const variance = scores[index].reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  console.log(
    `${methods[index]}: eigenvalues ${eigenvalues.map(value => value.toFixed(3))}; variance of the first scores ` +
      `${variance.toFixed(3)} (expected to be the first eigenvalue), explained ${model.getExplainedVariance()[0].toFixed(3)}`,
  );
  const factor = methods[index] === 'NIPALS' ? count - 1 : 1;
  assert(Math.abs(eigenvalues[0] / variance / factor - 1) < 1e-6);
  assert(Math.abs(model.getExplainedVariance()[0] - 0.9525) < 1e-4);
});
JS
timeout 60 node --max-old-space-size=512 check.cjs
