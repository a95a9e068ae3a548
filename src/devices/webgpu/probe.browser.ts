/** In a browser the driver lives in a process of its own already: what adapter there is shows when the device is opened. */

/** Why there is no hardware GPU to take, as far as can be known before the device is opened. */
export async function whyNoHardware(): Promise<string | undefined> {
  return undefined;
}
