/**
 * The WGSL forms of convolution and its gradients: which tile strategy for which adapter and shape. How the convolutions
 * read as contractions stands in conv2d.operands.wgsl.ts, how tiles are computed in ../matmul/matmul.registers.wgsl.ts.
 */
import type { Spec, WebGpuAdapterInfo, WgslVariant } from '../../devices/kernel.ts';
import { type Contraction, planContraction } from '../matmul/matmul.contraction.wgsl.ts';
import { registerTile } from '../matmul/matmul.registers.wgsl.ts';
import { chooseWorkgroupTile, hasSubgroupTiles, hasWorkgroupTiles } from '../matmul/matmul.wgsl.ts';
import { workgroupTile } from '../matmul/matmul.workgroup.wgsl.ts';
import {
  type Conv2dOperandOptions,
  forwardContraction,
  inputGradientContraction,
  weightGradientContraction,
} from './conv2d.operands.wgsl.ts';
import type { Conv2dInputGradientParams, Conv2dParams, Conv2dWeightGradientParams } from './conv2d.ts';

function variantsOf<P>(
  contraction: (specs: readonly Spec[], params: P, options: Conv2dOperandOptions) => Contraction,
): readonly WgslVariant<P>[] {
  return [
    {
      name: 'subgroup-registers',
      applies: (_specs, _params, adapter) => hasSubgroupTiles(adapter),
      prefers: (_specs, _params, adapter) => adapter.isSoftware,
      plan: (specs, params, { subgroupSize }: WebGpuAdapterInfo) =>
        planContraction(
          contraction(specs, params, { vectorsAlongK: false }),
          registerTile({ lanes: subgroupSize, rows: 32, vectors: 1, wantedWorkgroups: 8 }),
        ),
    },
    {
      name: 'workgroup-tiles',
      applies: (_specs, _params, adapter) => hasWorkgroupTiles(adapter),
      prefers: (_specs, _params, adapter) => !adapter.isSoftware,
      plan: (specs, params) => {
        const whole = contraction(specs, params, { vectorsAlongK: true });
        return planContraction(whole, workgroupTile(chooseWorkgroupTile(whole)));
      },
    },
    {
      name: 'registers',
      applies: () => true,
      plan: (specs, params) =>
        planContraction(
          contraction(specs, params, { vectorsAlongK: false }),
          registerTile({ lanes: 1, rows: 8, vectors: 1, wantedWorkgroups: 2 }),
        ),
    },
  ];
}

export const conv2dWgsl = variantsOf<Conv2dParams>(forwardContraction);
export const conv2dInputGradientWgsl = variantsOf<Conv2dInputGradientParams>(inputGradientContraction);
export const conv2dWeightGradientWgsl = variantsOf<Conv2dWeightGradientParams>(weightGradientContraction);
