/**
 * Someone to be measured against. A peer is opened once per run, is asked for each operation, and answers with a contender
 * or with Missing: not installed, no such operation, too slow at this size. Whoever does not take part is named with the
 * reason in the report.
 */
import type { Contender } from '../contender.ts';
import type { Weights } from '../networks/architectures.ts';
import type { NetworkOperation, Operation } from '../operations.ts';

export interface PeerOptions {
  /** Threads it may use; some take no notice. */
  readonly threads: number;
  /** Parameters and statistics for networks in evaluation mode. */
  weights(network: NetworkOperation['network']): Promise<Weights>;
}

export interface Peer {
  readonly name: string;
  /** Finds and starts the peer; throws Missing when it is not there. */
  open(options: PeerOptions): Promise<PeerSession>;
}

export interface PeerSession {
  /** Name, version, threads: one line. */
  readonly description: string;
  /** Prepares an operation; throws Missing when the peer cannot take part in it. */
  prepare(operation: Operation): Promise<Contender>;
  close(): Promise<void>;
}
