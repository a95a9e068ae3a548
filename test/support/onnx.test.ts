/** The ONNX reader against cases whose contents can be said in a sentence, and against every case there is. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listOnnxCases, loadOnnxCase, onnxCasesOf, UnsupportedOnnxCase } from './onnx.ts';
import { onnxAbsent, onnxDataDirectory } from './shared.ts';

describe.skipIf(onnxDataDirectory === undefined)(`ONNX operator tests ${onnxAbsent}`, () => {
  const nodeCase = (name: string) => loadOnnxCase(join(onnxDataDirectory!, 'node', name));

  it('reads tensors: relu(x) is x or 0', () => {
    const { nodes, inputs, outputs } = nodeCase('test_relu');
    expect(nodes).toEqual([{ opType: 'Relu', inputs: ['x'], outputs: ['y'], attributes: {} }]);
    expect(inputs[0]).toMatchObject({ name: 'x', dims: [3, 4, 5], dtype: 'float32' });
    expect(Array.from(inputs[0].data as Float32Array, value => Math.max(value, 0))).toEqual([...outputs[0].data]);
  });

  it('reads integer, float and text attributes', () => {
    expect(nodeCase('test_conv_with_strides_and_asymmetric_padding').nodes[0].attributes).toEqual({
      kernel_shape: [3, 3],
      pads: [1, 0, 1, 0],
      strides: [2, 2],
    });
    const gemm = nodeCase('test_gemm_all_attributes').nodes[0].attributes;
    expect(gemm).toEqual({ alpha: 0.25, beta: expect.closeTo(0.35, 6), transA: 1, transB: 1 });
    expect(nodeCase('test_conv_with_autopad_same').nodes[0].attributes['auto_pad']).toBe('SAME_LOWER');
  });

  it('reads integers, booleans, doubles and halves', () => {
    const { inputs, outputs } = nodeCase('test_cast_FLOAT16_to_DOUBLE');
    expect([inputs[0].dtype, outputs[0].dtype]).toEqual(['float16', 'float64']);
    expect([...inputs[0].data]).toEqual([...outputs[0].data]);
    const less = nodeCase('test_less');
    const [a, b] = less.inputs.map(tensor => tensor.data as Float32Array);
    expect(less.outputs[0].dtype).toBe('bool');
    expect([...less.outputs[0].data]).toEqual(Array.from(a, (value, i) => (value < b[i] ? 1 : 0)));
    expect(nodeCase('test_gather_0').inputs[1].data).toBeInstanceOf(BigInt64Array);
  });

  it('sets weights of a graph apart from what is fed to it', () => {
    const conv = loadOnnxCase(join(onnxDataDirectory!, 'pytorch-converted', 'test_Conv2d_groups'));
    expect(conv.inputs.map(({ name, dims }) => ({ name, dims }))).toEqual([{ name: '0', dims: [2, 4, 6, 5] }]);
    expect(conv.initializers.map(({ name, dims }) => ({ name, dims }))).toEqual([
      { name: '1', dims: [6, 2, 3, 2] },
      { name: '2', dims: [6] },
    ]);
  });

  it('lists cases by name and by operator', () => {
    expect(listOnnxCases('gemm_transpose').map(path => path.split('/').at(-1))).toEqual([
      'test_gemm_transposeA',
      'test_gemm_transposeB',
    ]);
    expect(onnxCasesOf('Conv').length).toBe(6);
  });

  it('reads every case, or says that it holds something else than tensors of numbers', () => {
    let read = 0;
    const unsupported: string[] = [];
    for (const group of ['node', 'pytorch-converted', 'pytorch-operator', 'simple']) {
      for (const directory of listOnnxCases('', group)) {
        try {
          const { name, nodes, initializers, inputs, outputs } = loadOnnxCase(directory);
          read++;
          expect(outputs.length, name).toBeGreaterThan(0);
          const known = new Set(['', ...[...initializers, ...inputs].map(tensor => tensor.name)]);
          for (const node of nodes) {
            for (const input of node.inputs) expect(known, `${name}: ${input}`).toContain(input);
            for (const output of node.outputs) known.add(output);
          }
        } catch (error) {
          if (!(error instanceof UnsupportedOnnxCase)) throw error;
          unsupported.push(error.message);
        }
      }
    }
    expect(read).toBeGreaterThan(900);
    expect(unsupported.length).toBeLessThan(60);
  });
});
