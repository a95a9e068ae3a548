/**
 * Where test data lies that is not in this repository: PyTorch's golden values and the ONNX operator tests. A machine may
 * lack either; then these give undefined, and a test that needs them skips under a name that says what was absent:
 *
 *   describe.skipIf(torchGoldenDirectory === undefined)(`golden values ${torchGoldenAbsent}`, ...)
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSafetensors, type SafetensorsFile } from '../../src/interop/safetensors.ts';

/** The repository's root. */
export const REPOSITORY: string = fileURLToPath(new URL('../..', import.meta.url));

function present(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}

/** A path in the shared folder (WEFT_SHARED, or `../shared` seen from the repository), if it exists. */
export function sharedPath(...parts: string[]): string | undefined {
  return present(join(process.env.WEFT_SHARED || join(REPOSITORY, '..', 'shared'), ...parts));
}

/** The folder of PyTorch's golden values, with its `index.json`. */
export const torchGoldenDirectory: string | undefined = sharedPath('data', 'torch-golden');

/** What a skipped test adds to its name: why it was skipped. */
export const torchGoldenAbsent: string =
  torchGoldenDirectory === undefined ? '(skipped: no torch-golden data; set WEFT_SHARED)' : '';

/** One entry of the golden index: file, operation, and the operation's options. */
export interface TorchGoldenCase {
  file: string;
  op: string;
  [option: string]: unknown;
}

/** The golden cases of an operation (all without `op`); none where the data is absent. */
export function torchGoldenCases(op?: string): TorchGoldenCase[] {
  if (torchGoldenDirectory === undefined) return [];
  const index = JSON.parse(readFileSync(join(torchGoldenDirectory, 'index.json'), 'utf8')) as TorchGoldenCase[];
  return op === undefined ? index : index.filter(entry => entry.op === op);
}

/** The tensors of a golden case, in PyTorch's layouts. */
export function readTorchGolden(file: string): SafetensorsFile {
  if (torchGoldenDirectory === undefined) throw new Error('There is no torch-golden data on this machine.');
  return parseSafetensors(readFileSync(join(torchGoldenDirectory, file)), file);
}

/** The data folder of Debian's libonnx-testdata (or ONNX_TESTDATA), which holds `node`, `pytorch-operator`, ... */
export const onnxDataDirectory: string | undefined = present(
  process.env.ONNX_TESTDATA || '/usr/share/libonnx-testdata/data',
);

/** What a skipped test adds to its name: why it was skipped. */
export const onnxAbsent: string =
  onnxDataDirectory === undefined ? '(skipped: no ONNX operator tests; install libonnx-testdata)' : '';
