import { onnxRuntimePeer } from './onnxruntime.ts';
import type { Peer } from './peer.ts';
import { pytorchPeer } from './pytorch.ts';
import { tfjsPeers } from './tfjs.ts';

export const peers: readonly Peer[] = [...tfjsPeers, onnxRuntimePeer, pytorchPeer];
