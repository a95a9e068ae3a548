#!/usr/bin/env bash
# Mesa 25.0.7 llvmpipe (LLVM 15.0.6) under Dawn (npm webgpu 0.6.2): float32 through float16 and back is not rounded.
#
# Expected: f32(f16(x)) is a value of float16: 1.0001 becomes 1, 0.1 becomes 0.09998, 2049 becomes 2048. So a program sees what
#   storing in half precision costs, and finds the same numbers when it really stores them.
# Behaviour: the driver drops the pair of conversions. f32(f16(x)) returns x with all its bits, and so do
#   unpack2x16float(pack2x16float(x)), a product with 1.0h, and a value that passes through an array<f16> in workgroup or private
#   memory. With an operation between (max with 0.0h, a sum with 1.0h, a bitcast) the rounding is there, and in quantizeToF16.
#   A test that half precision loses nothing passes here; the same kernel gives other numbers once its halves are stored.
# Output seen: x = 0.1: quantizeToF16 0.0999755859375, max(f16(x), 0.0h) 0.0999755859375, f32(f16(x)) 0.10000000149011612,
#   unpack(pack(x)) and workgroup memory the same; x - f32(f16(x)) is 0 for all values tried.
# Source: WGSL, value constructor f16 and pack2x16float (conversion to binary16), section on floating point conversion.
# Told to the makers: no.
#
# Runs with Node 20 or newer on Linux with Mesa's llvmpipe (Debian 12 with backports: mesa-vulkan-drivers 25.0.7-2~bpo12+1),
# without weft. Exits 0 while the behaviour is as stated, and 2 where the driver is missing.
set -euo pipefail
driver=/usr/share/vulkan/icd.d/lvp_icd.json
if [ ! -e "$driver" ]; then
  echo "This script needs Mesa's llvmpipe ($driver is missing)."
  exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
timeout 90 npm install --silent --no-audit --no-fund --ignore-scripts webgpu@0.6.2
cat >check.mjs <<'JS'
import assert from 'node:assert';
import { create, globals } from 'webgpu';

const gpu = create([]);
// The instance must outlive its devices, so it gets a global name.
Object.assign(globalThis, globals, { gpu });
const adapter = await gpu.requestAdapter();
if (!adapter?.features.has('shader-f16')) {
  console.log('The adapter has no shader-f16.');
  process.exit(2);
}
const device = await adapter.requestDevice({ requiredFeatures: ['shader-f16'] });
const inputs = new Float32Array([1.0001, 0.1, 2049, 3.14159, 100.03]);
const halves = [1, 0.0999755859375, 2048, 3.140625, 100];

async function run(statement, declaration = '') {
  const code = `enable f16; ${declaration}
    @group(0) @binding(0) var<storage, read> inputs: array<f32>;
    @group(0) @binding(1) var<storage, read_write> results: array<f32>;
    @compute @workgroup_size(1) fn main() {
      for (var i = 0u; i < ${inputs.length}u; i++) { let x = inputs[i]; ${statement} results[i] = y; }
    }`;
  const module = device.createShaderModule({ code });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module } });
  const buffer = usage => device.createBuffer({ size: inputs.byteLength, usage });
  const source = buffer(GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
  const target = buffer(GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  const host = buffer(GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  device.queue.writeBuffer(source, 0, inputs);
  const entries = [source, target].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(target, 0, host, 0, inputs.byteLength);
  device.queue.submit([encoder.finish()]);
  await host.mapAsync(GPUMapMode.READ);
  return Array.from(new Float32Array(host.getMappedRange().slice(0)));
}

console.log(`webgpu 0.6.2, ${adapter.info.description}; expected everywhere: ${halves}`);
const original = Array.from(inputs);
for (const [statement, seen, declaration] of [
  ['let y = quantizeToF16(x);', halves],
  ['let y = f32(max(f16(x), 0.0h));', halves],
  ['let y = f32(bitcast<vec2<f16>>(pack2x16float(vec2f(x, 0.0))).x);', halves],
  ['let y = f32(f16(x));', original],
  ['let y = f32(f16(x) * 1.0h);', original],
  ['let y = unpack2x16float(pack2x16float(vec2f(x, 0.0))).x;', original],
  ['memory[i] = f16(x); let y = f32(memory[i]);', original, 'var<workgroup> memory: array<f16, 8>;'],
]) {
  const found = await run(statement, declaration);
  console.log(`${statement} ${found.map(value => Number(value.toPrecision(9)))}`);
  assert.deepStrictEqual(found, seen);
}
process.exit(0);
JS
VK_DRIVER_FILES=$driver timeout 60 node check.mjs 2>&1 | grep -v '^Warning: max'
