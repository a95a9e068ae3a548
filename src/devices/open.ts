/**
 * Opening a device by name. Each is imported when it is asked for, so that a machine without WebGPU, or a page that only
 * wants the CPU, never loads what it cannot use.
 */
import type { Device, DeviceKind } from './device.ts';
import { UsageError } from './errors.ts';
import type { Convolution, Precision } from './kernel.ts';
import { isNode } from './platform.ts';
import { checkArithmetic, convolutionOf, precisionOf } from './variants.ts';
import type { WasmOptions } from './wasm/options.ts';
import type { OpenWebGpuOptions } from './webgpu/options.ts';

export type DeviceChoice = DeviceKind | 'auto';

export interface OpenOptions {
  /** How sums are rounded; `default` unless told. The reference device computes in float64 anyway. */
  readonly precision?: Precision;
  /**
   * `direct`: a pixel changes no bit of an output that does not see it, at the price of Winograd's speed; `default` unless
   * told. The reference device convolves directly anyway. For some calls only, see `withConvolution`.
   */
  readonly convolution?: Convolution;
  /** Of the wasm device: vectors of 256 bits, see `WasmOptions`. */
  readonly wide?: boolean;
  readonly wasm?: WasmOptions;
  readonly webgpu?: OpenWebGpuOptions;
  /** Told why `auto` passed a device over. */
  readonly onSkipped?: (kind: DeviceKind, reason: string) => void;
}

/**
 * Opens a device. `auto` takes a hardware GPU where there is one, otherwise the CPU (`wasm`); a software implementation
 * of WebGPU runs on the same CPU, slower, and is used only when `webgpu` is named.
 * @throws DeviceError when the device named cannot be had; UsageError when there is no such device
 *
 *     const device = await openDevice('auto');
 *     console.log(device.info.description);
 */
export async function openDevice(kind: DeviceChoice = 'auto', options: OpenOptions = {}): Promise<Device> {
  const { precision, convolution, wide } = options;
  checkArithmetic('openDevice', options);
  switch (kind) {
    case 'reference':
      return (await import('./reference/device.ts')).openReferenceDevice();
    case 'wasm':
      return (await import('./wasm/device.ts')).openWasmDevice({ precision, convolution, wide, ...options.wasm });
    case 'webgpu':
      return openWebGpu(options);
    case 'auto':
      return (await openHardwareGpu(options)) ?? openDevice('wasm', options);
    default:
      throw new UsageError(`There is no device "${kind}"; use auto, webgpu, wasm or reference.`);
  }
}

async function openWebGpu({ precision, convolution, webgpu }: OpenOptions): Promise<Device> {
  const { openWebGpuDevice } = isNode
    ? await import('./webgpu/open.node.ts')
    : await import('./webgpu/open.browser.ts');
  return openWebGpuDevice({ precision, convolution, ...webgpu });
}

/** Options for a device that computes the same bits as the one whose identity (`device.info.adapter`) this is. */
export function openOptionsLike(adapter: string): OpenOptions {
  const precision = precisionOf(adapter);
  const convolution = convolutionOf(adapter);
  return adapter.startsWith('wasm ')
    ? { precision, convolution, wasm: { relaxedSimd: adapter.includes('relaxed-fma') } }
    : { precision, convolution };
}

async function openHardwareGpu(options: OpenOptions): Promise<Device | undefined> {
  const { whyNoHardware } = isNode ? await import('./webgpu/probe.node.ts') : await import('./webgpu/probe.browser.ts');
  const reason = await whyNoHardware(options.webgpu);
  if (reason !== undefined) {
    options.onSkipped?.('webgpu', reason);
    return undefined;
  }
  let device: Device;
  try {
    device = await openWebGpu(options);
  } catch (error) {
    options.onSkipped?.('webgpu', error instanceof Error ? error.message : String(error));
    return undefined;
  }
  if (!device.info.isSoftware) return device;
  options.onSkipped?.('webgpu', `${device.info.description}: the wasm device is faster.`);
  await device.destroy();
  return undefined;
}
