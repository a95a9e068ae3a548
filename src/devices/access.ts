/** Whether a storage may be read or written: every device asks the same questions and gives the same answers. */
import type { Device, Operand, Storage } from './device.ts';
import { DeviceError } from './errors.ts';
import { checkVersion } from './versions.ts';

/** Throws DeviceError where `storage` lives elsewhere, was released, or was given back with the capture it came from. */
export function checkWritable(device: Device, what: string, { allocation }: Storage): void {
  if (allocation.device !== device) {
    throw new DeviceError(
      `${what}: a storage of another device (${allocation.device.kind}) was given to ${device.kind}.`,
    );
  }
  if (allocation.references <= 0) throw new DeviceError(`${what}: this storage has been released.`);
  if (allocation.history.recording?.isDisposed) {
    throw new DeviceError(
      `${what}: this storage belongs to a capture that was disposed; read its outputs, or clone(x) them, before that.`,
    );
  }
}

/** As `checkWritable`; throws UsageError where `storage` stands for contents that have been overwritten. */
export function checkReadable(device: Device, what: string, storage: Storage): void {
  checkWritable(device, what, storage);
  if (storage.version !== undefined) checkVersion(what, storage, storage.version);
}

/** Both for the arrays of a kernel call. */
export function checkCall(
  device: Device,
  kernel: string,
  inputs: readonly Operand[],
  outputs: readonly Operand[],
): void {
  for (let i = 0; i < inputs.length; i++) checkReadable(device, kernel, inputs[i].storage);
  for (let i = 0; i < outputs.length; i++) checkWritable(device, kernel, outputs[i].storage);
}
