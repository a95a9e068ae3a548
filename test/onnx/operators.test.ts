/**
 * The ONNX project's operator tests (Debian's libonnx-testdata) on every device: its inputs go through our operations and
 * must give its outputs. `coverage.json` holds, by name, every case that runs and every case that does not with the
 * reason, and the test below compares: coverage cannot shrink, nor a case start to be passed over, without showing in a
 * diff. After a deliberate change write it anew: WEFT_UPDATE_ONNX_COVERAGE=1 node test/run.mjs test/onnx
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { OP_NAMES, rowOf } from '../../src/autograd/ops/rows.ts';
import type { Device } from '../../src/devices/device.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { dispose, tidy } from '../../src/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { listOnnxCases, loadOnnxCase, type OnnxCase, type OnnxTensor, UnsupportedOnnxCase } from '../support/onnx.ts';
import { onnxAbsent, onnxDataDirectory } from '../support/shared.ts';
import { Unsupported } from './call.ts';
import { OPERATORS, operatorsWithoutMapping, runOnnxCase } from './mapping.ts';

const COVERAGE = fileURLToPath(new URL('coverage.json', import.meta.url));
const GROUPS = ['node', 'pytorch-converted', 'pytorch-operator', 'simple'];

interface Coverage {
  /** How many cases there are: tells one version of ONNX from another. */
  cases: number;
  /** The cases whose values are compared. */
  run: string[];
  /** Cases of operators that we map, by what they need and we lack. */
  unsupported: Record<string, string[]>;
  /** Operators that we do not map, with the number of cases in which each is the first of that kind. */
  operatorsNotMapped: Record<string, number>;
  /** Cases of sequences, texts and other things that are no tensors of numbers. */
  notTensors: number;
}

/** |actual - expected| <= absolute + relative |expected|; everything else (movement, integers, comparisons) is exact. */
interface Tolerance {
  relative: number;
  absolute: number;
}
const ROUNDING: Tolerance = { relative: 2e-6, absolute: 1e-6 };
/** WGSL promises sin and cos to 2^-11 only, and SwiftShader takes it at its word. */
const WGSL_TRIGONOMETRY: Tolerance = { relative: 1e-3, absolute: 1e-5 };
const EXACT_OPERATORS = new Set(
  (
    'Abs ArgMax ArgMin Ceil Clip Concat ConstantOfShape Dropout Expand Flatten Floor Gather GlobalMaxPool Identity Max ' +
    'MaxPool Min Neg OneHot Pad ReduceMax ReduceMin Relu Reshape Round Sign Slice Split Squeeze Transpose Unsqueeze Where'
  ).split(' '),
);

function toleranceOf(one: OnnxCase, { kind }: Device): Tolerance {
  const operators = one.nodes.map(({ opType }) => opType).filter(opType => opType !== 'Constant');
  if (operators.every(opType => EXACT_OPERATORS.has(opType))) return { relative: 0, absolute: 0 };
  const isTrigonometry = operators.some(opType => opType === 'Sin' || opType === 'Cos');
  return kind === 'webgpu' && isTrigonometry ? WGSL_TRIGONOMETRY : ROUNDING;
}

function expectTensor(actual: ArrayLike<number>, expected: OnnxTensor, tolerance: Tolerance): void {
  const isFloat = expected.data instanceof Float32Array || expected.data instanceof Float64Array;
  const { relative, absolute } = isFloat ? tolerance : { relative: 0, absolute: 0 };
  let worst: { element: number; excess: number } | undefined;
  for (let i = 0; i < expected.data.length; i++) {
    const wanted = Number(expected.data[i]);
    const got = actual[i];
    if (Object.is(got, wanted) || got === wanted || (Number.isNaN(got) && Number.isNaN(wanted))) continue;
    const excess = Math.abs(got - wanted) / (absolute + relative * Math.abs(wanted));
    if (!(excess <= 1) && !(worst && excess <= worst.excess)) worst = { element: i, excess };
  }
  if (!worst) return;
  const { element, excess } = worst;
  expect.fail(
    `${expected.name}: element ${element} is ${actual[element]}, ONNX has ${expected.data[element]}` +
      ` (${excess.toPrecision(3)} times the bound)`,
  );
}

async function check(one: OnnxCase, device: Device): Promise<void> {
  const outputs = tidy(() => runOnnxCase(one, device));
  try {
    const tolerance = toleranceOf(one, device);
    for (const [i, expected] of one.outputs.entries()) {
      expect(outputs[i].shape, expected.name).toEqual(expected.dims);
      expectTensor(await outputs[i].data(), expected, tolerance);
    }
  } finally {
    dispose(...outputs);
  }
}

const idOf = (group: string, directory: string): string => `${group}/${basename(directory).replace('test_', '')}`;

interface Candidate {
  readonly id: string;
  readonly one: OnnxCase;
}

/** Sorts every case there is by whether we take it; the float64 device says so for all of them. */
function survey(): { candidates: Candidate[]; coverage: Coverage } {
  const device = new ReferenceDevice();
  const candidates: Candidate[] = [];
  const coverage: Coverage = { cases: 0, run: [], unsupported: {}, operatorsNotMapped: {}, notTensors: 0 };
  const { run, unsupported, operatorsNotMapped } = coverage;
  for (const group of GROUPS) {
    for (const directory of listOnnxCases('', group)) {
      coverage.cases++;
      let one: OnnxCase;
      try {
        one = loadOnnxCase(directory);
      } catch (error) {
        if (!(error instanceof UnsupportedOnnxCase)) throw error;
        coverage.notTensors++;
        continue;
      }
      const id = idOf(group, directory);
      const [foreign] = operatorsWithoutMapping(one);
      const reason = foreign === undefined ? reasonAgainst(one, device) : undefined;
      if (foreign !== undefined) {
        operatorsNotMapped[foreign] = (operatorsNotMapped[foreign] ?? 0) + 1;
      } else if (reason !== undefined) {
        unsupported[reason] = [...(unsupported[reason] ?? []), id];
      } else {
        run.push(id);
        candidates.push({ id, one });
      }
    }
  }
  return { candidates, coverage };
}

/** Undefined where a case runs, or fails in earnest: that is for its own test to show. */
function reasonAgainst(one: OnnxCase, device: Device): string | undefined {
  try {
    tidy(() => {
      runOnnxCase(one, device);
    });
  } catch (error) {
    if (error instanceof Unsupported) return error.message;
  }
  return undefined;
}

test('every ONNX operator that a row of an operation names is mapped', () => {
  const named = OP_NAMES.flatMap(name => rowOf(name).onnx ?? []);
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter(opType => !(opType in OPERATORS))).toEqual([]);
});

const committed = JSON.parse(readFileSync(COVERAGE, 'utf8')) as Coverage;
const present = onnxDataDirectory !== undefined;
const devices = present ? await openTestDevices() : [];
const { candidates, coverage } = present ? survey() : { candidates: [], coverage: committed };
const isSameVersion = coverage.cases === committed.cases;
// Another version of ONNX has other cases, some in ways this mapping was not written for: there, those we know must run.
const cases = isSameVersion ? candidates : candidates.filter(({ id }) => committed.run.includes(id));

describe.skipIf(!present)(`ONNX operator tests ${onnxAbsent}`, () => {
  test('coverage is what coverage.json says', () => {
    const { run, unsupported, operatorsNotMapped, notTensors } = coverage;
    const sum = (counts: readonly number[]): number => counts.reduce((total, n) => total + n, 0);
    console.log(
      `ONNX operator tests: ${coverage.cases} cases; ${run.length} run; ` +
        `${sum(Object.values(unsupported).map(ids => ids.length))} of mapped operators are unsupported ` +
        `(${Object.keys(unsupported).join(', ')}); ${sum(Object.values(operatorsNotMapped))} use one of ` +
        `${Object.keys(operatorsNotMapped).length} operators that are not mapped; ${notTensors} hold no tensors.`,
    );
    if (process.env.WEFT_UPDATE_ONNX_COVERAGE) {
      writeFileSync(COVERAGE, `${JSON.stringify(coverage, null, 2)}\n`);
    } else if (isSameVersion) {
      expect(coverage).toEqual(committed);
    } else {
      console.warn(
        `coverage.json knows ${committed.cases} cases; this is another version of ONNX, new cases are left out.`,
      );
      const here = new Set(GROUPS.flatMap(group => listOnnxCases('', group).map(path => idOf(group, path))));
      for (const id of committed.run) if (here.has(id)) expect(run).toContain(id);
    }
  });

  for (const { name, device } of devices) {
    describe.skipIf(!device)(name, () => {
      afterAll(() => device?.destroy());
      for (const { id, one } of cases) test(id, () => check(one, device!));
    });
  }
});
