/**
 * What the devices are held to, as a table: gate, goal, what this run measured, verdict. Ratios are between contenders of
 * one run. Absolute figures were set on a machine whose two cores make 134 GFLOP/s at most; beside them stands what this
 * machine's ceiling makes of them.
 */
import { type Bound, rooflineTime } from '../src/kernels/ceilings/roofline.ts';
import { type Ceilings, peakRate, rooflineOf } from './ceilings.ts';
import { COMPILED } from './networks/inference.ts';
import { type Results, type Row, reasonOf, timingOf, type Verdict } from './results.ts';
import type { Timing } from './statistics.ts';
import { TRIAD } from './triad.ts';

/** GFLOP/s of the machine that the absolute figures were set on (2 threads, multiply-adds of 128 bit). */
const REFERENCE_PEAK = 134;

type Measured = { readonly value: number; readonly text: string } | { readonly missing: string };

export interface Gate {
  readonly what: string;
  /** Least wanted (or most, with `atMost`), and what to aim at, where one was set. */
  readonly gate: number | undefined;
  readonly goal: number | undefined;
  readonly atMost?: boolean;
  readonly format: (value: number) => string;
  /** Rows and contenders it is made of: a test checks that they exist. */
  readonly rows: readonly string[];
  readonly contenders: readonly string[];
  measure(results: Results): Measured;
}

const rate = (value: number): string => `${value.toFixed(0)} GFLOP/s`;
const times = (value: number): string => `${value.toFixed(1)}x`;
const milliseconds = (value: number): string => `${value.toFixed(0)} ms`;
const seconds = (value: number): string => `${value.toFixed(0)} s`;
const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;

const against = (results: Results, value: number, format: (value: number) => string, isTime: boolean): string => {
  if (!results.ceilings) return format(value);
  const factor = peakRate(results.ceilings) / REFERENCE_PEAK;
  const there = isTime ? value * factor : value / factor;
  return `${format(value)} (${format(there)} at a peak of ${REFERENCE_PEAK})`;
};

function throughput(what: string, row: string, gate: number, goal: number): Gate {
  return {
    what,
    gate,
    goal,
    format: rate,
    rows: [row],
    contenders: ['weft'],
    measure(results) {
      const timing = timingOf(results.rows, row, 'weft');
      if (!timing) return { missing: reasonOf(results, row, 'weft') };
      const { flops } = results.rows.find(({ id }) => id === row)!;
      const value = (flops / timing.median) * 1e-6;
      return { value, text: against(results, value, rate, false) };
    },
  };
}

function duration(what: string, row: string, gate: number, goal: number): Gate {
  return {
    what,
    gate,
    goal,
    atMost: true,
    format: milliseconds,
    rows: [row],
    contenders: ['weft'],
    measure(results) {
      const timing = timingOf(results.rows, row, 'weft');
      if (!timing) return { missing: reasonOf(results, row, 'weft') };
      return { value: timing.median, text: against(results, timing.median, milliseconds, true) };
    },
  };
}

/** The peer's time over ours, or (`atMost`) ours over the peer's. */
function ratio(
  what: string,
  row: string,
  peer: string,
  gate: number | undefined,
  goal: number | undefined,
  atMost?: boolean,
  ours = 'weft',
): Gate {
  return {
    what,
    gate,
    goal,
    atMost,
    format: times,
    rows: [row],
    contenders: [ours, peer],
    measure(results) {
      const own = timingOf(results.rows, row, ours);
      const other = timingOf(results.rows, row, peer);
      if (!own || !other) return { missing: reasonOf(results, row, own ? peer : ours) };
      const value = atMost ? own.median / other.median : other.median / own.median;
      const text = `${value.toFixed(2)}x (${own.median.toPrecision(3)} ms against ${other.median.toPrecision(3)} ms)`;
      return { value, text };
    },
  };
}

/** The compiled model's time over that of ONNX Runtime, which folds and fuses too. */
const compiledOverOnnx = (what: string, row: string, gate: number, goal: number): Gate =>
  ratio(`${what}, compiled, over ONNX Runtime`, row, 'onnxruntime', gate, goal, true, COMPILED);

/** The worst share of the triad, timed in turns with the kernel over arrays of the same size, over all `rows`. */
function triadShare(what: string, rows: readonly string[]): Gate {
  return {
    what,
    gate: 0.6,
    goal: 0.8,
    format: percent,
    rows,
    contenders: ['weft', TRIAD],
    measure(results) {
      let worst: { value: number; text: string } | undefined;
      for (const id of rows) {
        const own = timingOf(results.rows, id, 'weft');
        const triad = timingOf(results.rows, id, TRIAD);
        if (!own || !triad) return { missing: reasonOf(results, id, own ? TRIAD : 'weft') };
        const { bytes } = results.rows.find(one => one.id === id)!;
        const rate = ({ median }: Timing): string => ((bytes / median) * 1e-6).toFixed(1);
        const value = triad.median / own.median;
        const text = `${percent(value)} (${rate(own)} of ${rate(triad)} GB/s, ${id})`;
        if (!worst || value < worst.value) worst = { value, text };
      }
      return worst!;
    },
  };
}

const epoch: Gate = {
  what: 'one epoch of the CNN, 60,000 images, augmented, loading included',
  gate: 60,
  goal: 35,
  atMost: true,
  format: seconds,
  rows: [],
  contenders: ['weft'],
  measure(results) {
    const measured = results.epoch;
    if (!measured) return { missing: 'not run' };
    const { stepsRun, stepsPerEpoch, data } = measured;
    const how = stepsRun < stepsPerEpoch ? `, from ${stepsRun} of ${stepsPerEpoch} steps` : '';
    const text = `${measured.seconds.toFixed(1)} s${how}${data === 'sample data' ? ', sample data' : ''}`;
    return { value: measured.seconds, text };
  },
};

const CONV = 'conv 3x3 32-64 @28';

export const GATES: readonly Gate[] = [
  throughput('matmul 1024', 'matmul 1024', 95, 110),
  ratio('matmul 1024 against tfjs-wasm', 'matmul 1024', 'tfjs-wasm', 2.2, undefined),
  throughput('matmul 256', 'matmul 256', 80, 100),
  throughput(`${CONV} forward (effective)`, `${CONV} forward`, 220, 300),
  ratio(`${CONV} forward against tfjs-wasm`, `${CONV} forward`, 'tfjs-wasm', 5, undefined),
  throughput(`${CONV} input gradient (effective)`, `${CONV} input gradient`, 220, 300),
  ratio(`${CONV} input gradient against tfjs-wasm`, `${CONV} input gradient`, 'tfjs-wasm', 5, undefined),
  throughput(`${CONV} weight gradient (effective)`, `${CONV} weight gradient`, 95, 200),
  duration('CNN training step', 'cnn train 128', 110, 65),
  ratio('CNN training step over PyTorch', 'cnn train 128', 'pytorch', 1.7, 1, true),
  duration('MiniResNet training step', 'mini-resnet train 128', 230, 116),
  ratio('MiniResNet training step over PyTorch', 'mini-resnet train 128', 'pytorch', undefined, 1, true),
  ratio('CNN inference against tfjs-wasm', 'cnn infer 128', 'tfjs-wasm', 4, 7),
  compiledOverOnnx('CNN inference', 'cnn infer 128', 1.2, 1),
  compiledOverOnnx('MiniResNet inference', 'mini-resnet infer 128', 1.3, 1),
  compiledOverOnnx('CNN inference of one image', 'cnn infer 1', 1.5, 1),
  triadShare('batch norm + ReLU forward, of the triad', [
    'batch norm + relu 32 @28 forward',
    'batch norm + relu 64 @14 forward',
    'batch norm + relu 128 @7 forward',
  ]),
  triadShare('batch norm + ReLU backward, of the triad', [
    'batch norm + relu 32 @28 backward',
    'batch norm + relu 64 @14 backward',
    'batch norm + relu 128 @7 backward',
  ]),
  triadShare('elementwise, of the triad', ['add 3.2 M', 'relu 3.2 M', 'relu 3.2 M backward', 'accumulate 3.2 M']),
  triadShare('optimizer, of the triad', ['SGD Nesterov 425 k', 'SGD Nesterov 10 M', 'AdamW 425 k', 'AdamW 10 M']),
  epoch,
];

/** What the GPU device is held to: TensorFlow.js on the same adapter, in the same run. */
export const WEBGPU_GATES: readonly Gate[] = [
  ratio('matmul 1024 against tfjs-webgpu', 'matmul 1024', 'tfjs-webgpu', 5, 7),
  ratio(`${CONV} forward against tfjs-webgpu`, `${CONV} forward`, 'tfjs-webgpu', 6, 8),
  ratio(`${CONV} weight gradient against tfjs-webgpu`, `${CONV} weight gradient`, 'tfjs-webgpu', 10, undefined),
  ratio('CNN training step against tfjs-webgpu', 'cnn train 128', 'tfjs-webgpu', 10, 20),
  ratio('MiniResNet training step against tfjs-webgpu', 'mini-resnet train 128', 'tfjs-webgpu', 10, 20),
];

/** Holds a run to every gate. A gate is judged by its unrounded figure; what was not measured is not met. */
export function judge(results: Results, gates: readonly Gate[] = GATES): Verdict[] {
  return gates.map(gate => {
    const { what, format, atMost } = gate;
    const limit = (value: number | undefined): string =>
      value === undefined ? '-' : `${atMost ? 'at most' : 'at least'} ${format(value)}`;
    const shared = { what, gate: limit(gate.gate), goal: limit(gate.goal) };
    const measured = gate.measure(results);
    if ('missing' in measured) return { ...shared, measured: measured.missing, verdict: 'not measured' };
    const meets = (bound: number): boolean => (atMost ? measured.value <= bound : measured.value >= bound);
    const verdict =
      gate.goal !== undefined && meets(gate.goal)
        ? 'goal'
        : gate.gate === undefined
          ? 'no gate'
          : meets(gate.gate)
            ? 'gate'
            : 'missed';
    return { ...shared, measured: measured.text, verdict };
  });
}

/** The share of the roofline that a timing reaches (over 1 for algorithms that save arithmetic), and which roof it is. */
export function rooflineShare(
  ceilings: Ceilings,
  row: Pick<Row, 'flops' | 'bytes' | 'footprint'>,
  milliseconds: number,
): { share: number; bound: Bound } {
  const roof = rooflineTime(rooflineOf(ceilings), row);
  return { share: roof.milliseconds / milliseconds, bound: roof.bound };
}
