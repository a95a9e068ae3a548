/** weft: tensors, operations with gradients, and the devices they run on. */
export * from './autograd/index.ts';
export type { Capture, Device, DeviceInfo, DeviceKind, MemoryInfo, ProfileEntry } from './devices/device.ts';
export type { DType, TypedArray } from './devices/dtype.ts';
export * from './devices/errors.ts';
export type { Convolution, Precision } from './devices/kernel.ts';
export { type OpenOptions, openDevice } from './devices/open.ts';
export type { Shape } from './devices/shape.ts';
export * from './tensor/creation.ts';
export { getDevice, setDevice, withDevice } from './tensor/current-device.ts';
export { expectNoLeaks, type LeakOptions } from './tensor/leaks.ts';
export { dispose, keep, tidy, tidyUntilSettled } from './tensor/lifetime.ts';
export { liveTensorCount, type NestedArray, Tensor } from './tensor/tensor.ts';
