/**
 * What an adapter is and what we ask of it. The adapter decides which kernel variants apply: real GPUs want workgroup
 * memory, software Vulkan drivers (lavapipe, SwiftShader) want register tiles and subgroup broadcasts. We request every
 * limit the adapter has, because the defaults (128 MiB bindings, 256 invocations) are below what real GPUs offer, and
 * the few features that kernels can use.
 */
import { DeviceError } from '../errors.ts';
import type { WebGpuAdapterInfo } from '../kernel.ts';

/** Where WebGPU comes from on this platform, and how to wait for it without stealing the processor from it. */
export interface AcquiredAdapter {
  readonly adapter: GPUAdapter;
  /** How this platform waits for a GPU promise; see `adapter.node.ts`. */
  readonly wait: Wait;
  /** Called before a pipeline is compiled, with how many there are; throws DeviceError where the process has no room for it. */
  readonly beforeCompiling?: (compiled: number) => void;
}

export type Wait = <T>(promise: Promise<T>) => Promise<T>;

const FEATURES: readonly GPUFeatureName[] = ['timestamp-query', 'shader-f16', 'subgroups'];

const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const;

const SOFTWARE = /llvmpipe|lavapipe|swiftshader|softpipe|\bwarp\b|basic render/i;

/** Whether the adapter computes on the CPU. */
export function isSoftwareAdapter(adapter: GPUAdapter): boolean {
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  return isFallbackAdapter || SOFTWARE.test(`${vendor} ${architecture} ${device} ${description}`);
}

/** One line for people: the driver's own description, and whether it is a CPU in disguise. */
export function adapterDescription(adapter: GPUAdapter): string {
  const { vendor, architecture, device, description } = adapter.info;
  const name =
    description || device || [vendor, architecture].filter(part => part !== '').join(' ') || 'unnamed adapter';
  return isSoftwareAdapter(adapter) ? `${name} (software: runs on the CPU)` : name;
}

/** Stable identity of adapter and driver, for caches and checkpoints. */
export function adapterIdentity(adapter: GPUAdapter): string {
  const { vendor, architecture, device, description } = adapter.info;
  return ['webgpu', vendor, architecture, device, description].filter(part => part !== '').join(' / ');
}

/** A device with every limit the adapter has and every feature kernels can use. Throws DeviceError with the reason. */
export async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredFeatures = FEATURES.filter(feature => adapter.features.has(feature));
  const requiredLimits: Record<string, number> = {};
  for (const limit of LIMITS) requiredLimits[limit] = adapter.limits[limit];
  try {
    return await adapter.requestDevice({ label: 'weft', requiredFeatures, requiredLimits });
  } catch (error) {
    throw new DeviceError(`webgpu: ${adapterDescription(adapter)} gave no device: ${(error as Error).message}`);
  }
}

/** What kernel variants may ask about the adapter, with the limits the device really has. */
export function describeAdapter(
  adapter: GPUAdapter,
  device: GPUDevice,
  { precision, convolution }: Pick<WebGpuAdapterInfo, 'precision' | 'convolution'>,
): WebGpuAdapterInfo {
  const { info } = adapter;
  const fixed = info.subgroupMinSize === info.subgroupMaxSize ? (info.subgroupMinSize ?? 0) : 0;
  return {
    vendor: info.vendor,
    architecture: info.architecture,
    description: info.description || info.device,
    isSoftware: isSoftwareAdapter(adapter),
    subgroupSize: device.features.has('subgroups') ? fixed : 0,
    features: new Set(device.features as ReadonlySet<string>),
    maxComputeInvocationsPerWorkgroup: device.limits.maxComputeInvocationsPerWorkgroup,
    maxComputeWorkgroupStorageSize: device.limits.maxComputeWorkgroupStorageSize,
    maxComputeWorkgroupsPerDimension: device.limits.maxComputeWorkgroupsPerDimension,
    maxStorageBufferBindingSize: device.limits.maxStorageBufferBindingSize,
    precision,
    convolution,
  };
}
