/**
 * The WGSL forms of convolution and its gradients: which tile strategy for which adapter and shape. How the convolutions
 * read as contractions stands in conv2d.operands.wgsl.ts, how tiles are computed in
 * ../matmul/matmul.registers.wgsl.ts and ../matmul/matmul.workgroup.wgsl.ts, and Winograd's way in
 * conv2d.winograd.wgsl.ts.
 */
import type { Spec, WebGpuAdapterInfo, WgslPlan, WgslVariant } from '../../devices/kernel.ts';
import { type Contraction, planContraction, type TileStrategy } from '../matmul/matmul.contraction.wgsl.ts';
import { registerTile } from '../matmul/matmul.registers.wgsl.ts';
import { chooseWorkgroupTile, compensatedTile, hasSubgroupTiles, hasWorkgroupTiles } from '../matmul/matmul.wgsl.ts';
import { workgroupTile } from '../matmul/matmul.workgroup.wgsl.ts';
import {
  type Conv2dOperandOptions,
  forwardContraction,
  inputGradientContraction,
  weightGradientContraction,
} from './conv2d.operands.wgsl.ts';
import {
  type Conv2dInputGradientParams,
  type Conv2dParams,
  type Conv2dSizes,
  type Conv2dWeightGradientParams,
  conv2dInputGradientSizes,
  conv2dSizes,
  conv2dWeightGradientSizes,
} from './conv2d.ts';
import {
  isWinograd,
  type ProductStrategy,
  planWinogradForward,
  planWinogradInputGradient,
  planWinogradWeightGradient,
} from './conv2d.winograd.wgsl.ts';

/** Register tiles of a subgroup. */
const subgroupTile = ({ subgroupSize }: WebGpuAdapterInfo): TileStrategy =>
  registerTile({ lanes: subgroupSize, rows: 32, vectors: 1, wantedWorkgroups: 8 });

/** Channels from which Winograd's transforms cost less than the multiplications they save. */
const WINOGRAD_CHANNELS = 16;

/** Columns below which most lanes of a subgroup would own none, and private tiles are faster. */
const LEAST_SUBGROUP_COLUMNS = 5;

interface Forms<P> {
  sizes(specs: readonly Spec[], params: P): Conv2dSizes;
  contraction(specs: readonly Spec[], params: P, options: Conv2dOperandOptions): Contraction;
  winograd(specs: readonly Spec[], params: P, products: ProductStrategy): WgslPlan;
}

function variantsOf<P>({ sizes, contraction, winograd }: Forms<P>): readonly WgslVariant<P>[] {
  return [
    {
      name: 'compensated',
      precision: 'highest',
      applies: () => true,
      plan: (specs, params) => planContraction(contraction(specs, params, { vectorsAlongK: false }), compensatedTile),
    },
    {
      name: 'winograd-subgroup-registers',
      convolution: 'default',
      applies: (specs, params, adapter) => hasSubgroupTiles(adapter) && isWinograd(sizes(specs, params)),
      prefers: (specs, params, adapter) => {
        const { inputChannels, outputChannels, outputHeight, outputWidth } = sizes(specs, params);
        const filled = (outputHeight * outputWidth) / (Math.ceil(outputHeight / 4) * Math.ceil(outputWidth / 4) * 16);
        return adapter.isSoftware && Math.min(inputChannels, outputChannels) >= WINOGRAD_CHANNELS && filled >= 0.5;
      },
      plan: (specs, params, adapter) =>
        winograd(specs, params, { vectorsAlongK: false, copies: false, strategy: () => subgroupTile(adapter) }),
    },
    {
      name: 'winograd-workgroup-tiles',
      convolution: 'default',
      applies: (specs, params, adapter) => hasWorkgroupTiles(adapter) && isWinograd(sizes(specs, params)),
      // To be measured on real GPUs before anybody gets it unasked.
      prefers: () => false,
      plan: (specs, params) =>
        winograd(specs, params, {
          vectorsAlongK: true,
          copies: false,
          strategy: (rows, columns) => workgroupTile(chooseWorkgroupTile({ matrices: 36, rows, columns })),
        }),
    },
    {
      name: 'subgroup-registers',
      applies: (_specs, _params, adapter) => hasSubgroupTiles(adapter),
      prefers: (specs, params, adapter) =>
        adapter.isSoftware && contraction(specs, params, { vectorsAlongK: false }).columns >= LEAST_SUBGROUP_COLUMNS,
      plan: (specs, params, adapter) =>
        planContraction(contraction(specs, params, { vectorsAlongK: false }), subgroupTile(adapter)),
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

export const conv2dWgsl = variantsOf<Conv2dParams>({
  sizes: conv2dSizes,
  contraction: forwardContraction,
  winograd: planWinogradForward,
});

export const conv2dInputGradientWgsl = variantsOf<Conv2dInputGradientParams>({
  sizes: conv2dInputGradientSizes,
  contraction: inputGradientContraction,
  winograd: planWinogradInputGradient,
});

export const conv2dWeightGradientWgsl = variantsOf<Conv2dWeightGradientParams>({
  sizes: conv2dWeightGradientSizes,
  contraction: weightGradientContraction,
  winograd: planWinogradWeightGradient,
});
