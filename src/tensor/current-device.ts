/** The device on which tensors are made when none is named. */
import type { Device } from '../devices/device.ts';
import { UsageError } from '../devices/errors.ts';

let current: Device | undefined;

/** Makes `device` the default for new tensors. */
export function setDevice(device: Device): void {
  current = device;
}

/** The default device; throws UsageError before `setDevice`. */
export function getDevice(): Device {
  if (!current) throw new UsageError("No device is set: call setDevice(await openDevice('auto')) first.");
  return current;
}

/** Runs the synchronous `f` with another default device. */
export function withDevice<T>(device: Device, f: () => T): T {
  const before = current;
  current = device;
  try {
    const result = f();
    if (result instanceof Promise) {
      throw new UsageError('withDevice: the function returned a promise; name the device at each creation instead.');
    }
    return result;
  } finally {
    current = before;
  }
}
