import type { DeviceKind } from '../../src/devices/device.ts';
import { onnxRuntimePeer } from './onnxruntime.ts';
import type { Peer } from './peer.ts';
import { pytorchPeer } from './pytorch.ts';
import { tfjsPeers, tfjsWebGpuPeer } from './tfjs.ts';

/** Who runs on processors. */
export const peers: readonly Peer[] = [...tfjsPeers, onnxRuntimePeer, pytorchPeer];

/** Who runs where a device of ours does: a GPU is compared with a GPU, whichever it is. */
export const peersOf = (device: DeviceKind): readonly Peer[] =>
  device === 'webgpu' ? [tfjsWebGpuPeer, pytorchPeer] : peers;
