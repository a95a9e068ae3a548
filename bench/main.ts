/**
 * npm run bench: kernels, whole training steps and inference, of this project and of whoever else is installed, timed in
 * turns in one run, beside what the machine can do at most. README.md in this folder says how to read the tables.
 */
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Device, DeviceKind } from '../src/devices/device.ts';
import { UsageError } from '../src/devices/errors.ts';
import { openDevice } from '../src/devices/open.ts';
import type { WebGpuDevice } from '../src/devices/webgpu/device.ts';
import type { MeasuringTime } from '../src/kernels/ceilings/measure.ts';
import { compareAgainst, pairedTable } from './against.ts';
import { kernelCases } from './cases/index.ts';
import { type Ceilings, measureAdapterCeilings, measureCeilings } from './ceilings.ts';
import { type Case, type Entrant, Missing } from './contender.ts';
import { FIRST_RESULT_ID } from './first-result.ts';
import { GATES, judge, WEBGPU_GATES } from './gates.ts';
import { type Budget, race } from './harness.ts';
import { type KernelCase, ownEntrant, variantsOf } from './kernel-case.ts';
import { networkFlops, type Weights } from './networks/architectures.ts';
import { inferenceForms } from './networks/inference.ts';
import { type EpochResult, measureEpoch, ownNetwork, weightsOf } from './networks/own.ts';
import type { NetworkName, NetworkOperation, Operation } from './operations.ts';
import { peersOf } from './peers/index.ts';
import type { PeerSession } from './peers/peer.ts';
import {
  defaultResultPath,
  describeMachine,
  type PeerState,
  type Results,
  type Row,
  resultFileName,
  writeResults,
} from './results.ts';
import { rooflinePath, writeRoofline } from './roofline-picture.ts';
import { runScript } from './script.ts';
import { absences, ceilingsTable, gatesTable, groupTable } from './table.ts';
import { isJudgedByTriad, triadEntrant } from './triad.ts';

interface Options {
  readonly only?: RegExp;
  readonly device: DeviceKind;
  readonly threads?: number;
  readonly batch: readonly number[];
  readonly quick?: boolean;
  readonly peers: boolean;
  readonly ceilings: boolean;
  readonly variants?: boolean;
  readonly epoch?: boolean;
  readonly json: string | boolean;
  readonly list?: boolean;
  readonly against?: string;
  readonly node?: string;
  readonly againstNode?: string;
  readonly rounds: number;
}

const NETWORKS: readonly NetworkName[] = ['cnn', 'mini-resnet'];
const BATCH = 128;
/** Load above which someone else is at work; OpenMP's spinning barriers suffer most from it. */
const BUSY = 0.5;
/** Steps of the epoch that are run when its time is extrapolated. */
const EPOCH_STEPS = 60;
const EPOCH_ID = 'epoch cnn';

/** A training step or inference of a whole network. */
interface NetworkCase extends Case {
  readonly operation: NetworkOperation;
}

/** Flop counts follow from the weights' shapes, so no model is needed to list the cases. */
const networkCases = (batches: readonly number[]) => {
  const operations = batches.flatMap(batch =>
    NETWORKS.flatMap(network => (['train', 'infer'] as const).map(kind => ({ kind, network, batch }))),
  );
  // One image at a time, as an application asks.
  if (!batches.includes(1)) operations.push({ kind: 'infer', network: 'cnn', batch: 1 });
  return operations.map(one => ({ ...one, id: `${one.network} ${one.kind} ${one.batch}` }));
};

const budgets = (quick: boolean): Record<'kernels' | 'networks', Budget> & { readonly ceilings: MeasuringTime } => {
  const scale = quick ? 0.4 : 1;
  return {
    ceilings: { sampling: 0.1 * scale, warmUp: 0.05 * scale, counts: 'median' },
    kernels: { seconds: 0.36 * scale, warmUpSeconds: 0.15 * scale, rounds: quick ? 2 : 3 },
    networks: { seconds: 2.4 * scale, warmUpSeconds: 0.8 * scale, rounds: quick ? 2 : 4 },
  };
};

const matchesPattern = ({ id, group }: { id: string; group?: string }, only: RegExp | undefined): boolean =>
  !only || only.test(id) || (group !== undefined && only.test(group));

async function bench(options: Options): Promise<void> {
  const kernels = kernelCases.filter(one => matchesPattern(one, options.only));
  const networks = networkCases(options.batch).filter(one => matchesPattern(one, options.only));
  const withEpoch = options.epoch || (options.only ? options.only.test(EPOCH_ID) : !options.quick);
  if (kernels.length + networks.length === 0 && !withEpoch) {
    throw new UsageError(`--only ${options.only?.source} matches nothing; --list shows what there is.`);
  }
  const threads = options.threads ?? availableParallelism();
  const budget = budgets(options.quick ?? false);
  const machine = describeMachine();
  const device = await openDevice(options.device, { wasm: { threads } });
  const date = new Date().toISOString();
  say(`${machine.processor}, ${machine.cores} cores, ${machine.system}, Node ${machine.node}`);
  say(`Device: ${device.info.description}`);
  if (machine.loadBefore > BUSY) say(`The machine is busy (load ${machine.loadBefore}): figures will be poor.`);

  const weights = new Map<NetworkName, Promise<Weights>>();
  const weightsFor = (network: NetworkName): Promise<Weights> => {
    if (!weights.has(network)) weights.set(network, weightsOf(network, device));
    return weights.get(network)!;
  };
  const sessions: { name: string; session: PeerSession }[] = [];
  const peers: PeerState[] = [];
  try {
    for (const peer of options.peers ? peersOf(device.kind) : []) {
      try {
        const session = await peer.open({ threads, weights: weightsFor });
        sessions.push({ name: peer.name, session });
        peers.push({ name: peer.name, description: session.description });
        say(`Peer: ${session.description}`);
      } catch (error) {
        const missing = `${error instanceof Missing ? '' : 'failed to start: '}${(error as Error).message}`;
        peers.push({ name: peer.name, missing });
        say(`Peer not here: ${peer.name}: ${missing}`);
      }
    }
    const peerEntrants = (operation: Operation | undefined): Entrant[] =>
      operation ? sessions.map(({ name, session }) => ({ name, prepare: () => session.prepare(operation) })) : [];

    let ceilings: Ceilings | undefined;
    if (options.ceilings) {
      ceilings =
        device.kind === 'webgpu'
          ? await measureAdapterCeilings(device as WebGpuDevice, budget.ceilings)
          : await measureCeilings(threads, budget.ceilings);
      say(ceilingsTable(ceilings));
    }

    const rows: Row[] = [];
    for (const group of new Set(kernels.map(one => one.group))) {
      const ofGroup: Row[] = [];
      for (const one of kernels.filter(({ group: own }) => own === group)) {
        const entrants = [...ownEntrants(one, device, options), ...peerEntrants(one.operation)];
        if (options.ceilings && device.kind !== 'reference' && isJudgedByTriad(one)) {
          entrants.push(triadEntrant(one, device));
        }
        ofGroup.push(rowOf(one, await race(entrants, budget.kernels)));
      }
      rows.push(...ofGroup);
      say(groupTable(group, ofGroup, ceilings));
    }
    const ofNetworks: Row[] = [];
    for (const { id, ...operation } of networks) {
      const flops = networkFlops(operation.network, await weightsFor(operation.network), operation.batch)[
        operation.kind
      ];
      const one: NetworkCase = { id, group: 'networks', operation, flops, bytes: 0, footprint: 0 };
      const own: Entrant = { name: `weft ${device.kind}`, prepare: () => prepareNetwork(operation, device) };
      const forms = operation.kind === 'infer' && device.kind !== 'reference' ? inferenceForms(operation, device) : [];
      ofNetworks.push(rowOf(one, await race([own, ...forms, ...peerEntrants(operation)], budget.networks)));
    }
    rows.push(...ofNetworks);
    if (ofNetworks.length > 0) say(groupTable('networks', ofNetworks, undefined));

    const epoch = withEpoch ? await runEpoch(device, options) : undefined;
    const measured = {
      date,
      machine,
      device: { kind: device.kind, adapter: device.info.adapter, description: device.info.description },
      threads,
      quick: options.quick ?? false,
      peers,
      ...(ceilings ? { ceilings } : {}),
      rows,
      ...(epoch ? { epoch } : {}),
      gates: [],
    };
    const results: Results = {
      ...measured,
      gates: device.kind === 'reference' ? [] : judge(measured, device.kind === 'wasm' ? GATES : WEBGPU_GATES),
    };
    say(absences(results));
    const reached = results.gates.filter(({ measured: text }) => !text.endsWith('not run'));
    if (reached.length > 0) say(gatesTable(reached));
    if (reached.length < results.gates.length) say(`${results.gates.length - reached.length} gates were not run.`);
    if (machine.loadBefore > BUSY && reached.length > 0)
      say('The machine was busy before: measure again before believing.');
    if (options.json !== false) {
      const ownFile = resultFileName(results);
      const path = typeof options.json === 'string' ? options.json : defaultResultPath(ownFile);
      const shown = typeof options.json === 'string' ? path : `bench/results/${ownFile}`;
      await writeResults(path, results);
      say(`\nWritten: ${shown}`);
      if (await writeRoofline(path, results)) say(`Written: ${rooflinePath(shown)}`);
    }
    if (rows.some(({ outcomes }) => outcomes.some(outcome => 'failed' in outcome))) process.exitCode = 1;
  } finally {
    for (const { session } of sessions) await session.close();
    await device.destroy();
  }
}

/** Kernels and networks of the pattern, on this tree and on another, in turns. */
async function compare(options: Options, against: string): Promise<void> {
  const { only, batch } = options;
  const cases = [
    ...kernelCases.filter(one => matchesPattern(one, only)).map(({ id }) => ({ id })),
    ...networkCases(batch)
      .filter(one => matchesPattern(one, only))
      .map(({ id, ...network }) => ({ id, network })),
  ];
  const firstResult = !only || only.test(FIRST_RESULT_ID);
  if (cases.length === 0 && !firstResult)
    throw new UsageError(`--only ${only?.source} matches nothing; --list shows what there is.`);
  const measured = await compareAgainst({ ...options, against, cases, firstResult }, say);
  if (measured.length === 0) throw new UsageError('--against: the two sides have no case in common.');
  say(`\n${pairedTable(measured)}`);
}

function ownEntrants(one: KernelCase, device: Device, { variants }: Options): Entrant[] {
  const named = variants ? variantsOf(one, device) : [];
  return [ownEntrant(one, device), ...(named.length > 1 ? named.map(name => ownEntrant(one, device, name)) : [])];
}

function prepareNetwork(operation: NetworkOperation, device: Device) {
  if (device.kind === 'reference') throw new Missing('plain loops would take minutes per step');
  return ownNetwork(operation, device);
}

/** The epoch, or undefined with the reason said: a kernel may be missing. */
async function runEpoch(device: Device, { epoch }: Options): Promise<EpochResult | undefined> {
  if (device.kind === 'reference') {
    say('\nEpoch not run: plain loops would take hours');
    return undefined;
  }
  try {
    const result = await measureEpoch('cnn', device, epoch ? undefined : EPOCH_STEPS);
    const { seconds, stepsRun, stepsPerEpoch, loadingSeconds, stepMilliseconds, imagesPerSecond, data } = result;
    say(
      `\nEpoch of the CNN on 60,000 images (${data}): ${seconds.toFixed(1)} s = loading ${loadingSeconds.toFixed(1)} s + ` +
        `${stepsPerEpoch} steps of ${stepMilliseconds.toFixed(1)} ms (${imagesPerSecond.toFixed(0)} images/s)` +
        (stepsRun < stepsPerEpoch ? `, extrapolated from ${stepsRun} steps` : ''),
    );
    return result;
  } catch (error) {
    say(`\nEpoch FAILED: ${(error as Error).message}`);
    process.exitCode = 1;
    return undefined;
  }
}

function rowOf<C extends Case & { operation?: Operation }>(one: C, outcomes: Row['outcomes']): Row {
  const { id, group, flops, bytes, footprint, operation } = one;
  return { id, group, flops, bytes, footprint, ...(operation ? { operation } : {}), outcomes };
}

function say(text: string): void {
  if (text !== '') console.log(text);
}

function parseThreads(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('a whole number of at least 1 is wanted.');
  return count;
}

function parseBatches(text: string): number[] {
  return text.split(',').map(parseThreads);
}

function parsePattern(text: string): RegExp {
  try {
    return new RegExp(text, 'i');
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

const program = new Command('bench')
  .description('time kernels, training steps and inference beside their peers and the limits of the machine')
  .option('--only <regex>', 'only cases whose name or group matches', parsePattern)
  .addOption(
    new Option('--device <kind>', 'device to measure').choices(['wasm', 'webgpu', 'reference']).default('wasm'),
  )
  .option('--threads <n>', 'threads for everyone who listens (default: one per processor)', parseThreads)
  .option('--batch <list>', 'images per step and per inference of the networks, e.g. 128,512,1024', parseBatches, [
    BATCH,
  ])
  .option('--quick', 'shorter samples and no epoch')
  .option('--variants', 'time every variant of a kernel that applies, not only the one that is chosen')
  .option('--epoch', 'run a whole epoch instead of extrapolating from a few steps')
  .option('--no-peers', 'leave out everyone else')
  .option('--no-ceilings', "do not measure the machine's limits")
  .option('--json <file>', 'where to write the results (default: bench/results/<adapter>-<date>.json)')
  .option('--no-json', 'write no file')
  .option('--list', 'print the names of all cases')
  .option('--against <ref>', 'compare with a git revision, in turns, or with the file of a stored run (.json)')
  .option('--node <path>', 'with --against: the Node that runs both sides (default: this one)')
  .option('--against-node <path>', 'with --against: the Node that runs the other side')
  .option('--rounds <n>', 'with --against: how often both sides take turns in each case', parseThreads, 15)
  .action(async (options: Options) => {
    if (options.list) {
      const others = [EPOCH_ID, `${FIRST_RESULT_ID} (with --against)`].map(id => ({ id }));
      for (const { id } of [...kernelCases, ...networkCases(options.batch), ...others]) console.log(id);
    } else if (options.against !== undefined) await compare(options, options.against);
    else if (options.node !== undefined || options.againstNode !== undefined) {
      throw new UsageError(
        '--node and --against-node need --against; to measure on another Node alone, start the bench with it.',
      );
    } else await bench(options);
  });

await runScript(program);
