/**
 * Whether the engine survives optimising kernels, found out where it can do no harm: in a process of its own. A device that
 * opens and adds four numbers proves little, because an engine optimises what has run a thousand times, and one that trips
 * over that ends the whole process.
 */
import { spawn } from 'node:child_process';
import { matmul, relu } from '../autograd/index.ts';
import { openDevice } from '../devices/open.ts';
import { tensor } from '../tensor/creation.ts';
import { tidy } from '../tensor/lifetime.ts';

/** Long enough for an engine to have optimised both what runs on the threads and what calls it. */
const FEWEST_CALLS = 3000;
const SHORTEST_MILLISECONDS = 500;
const PATIENCE_MILLISECONDS = 60_000;
/** Rows and columns: enough work that every thread takes part. */
const SIZE = 96;

/** What the probing process prints: a line of JSON. */
export interface ProbeResult {
  readonly calls: number;
  readonly threads: number;
}

/** Runs kernels on all threads until they must have been optimised, and checks the last result. */
export async function runKernelProbe(): Promise<ProbeResult> {
  const device = await openDevice('wasm');
  const values = Float32Array.from({ length: SIZE * SIZE }, (_, i) => ((7 * i) % 5) - 2);
  const x = tensor(values, [SIZE, SIZE], { device });
  const began = performance.now();
  let calls = 0;
  while (calls < FEWEST_CALLS || performance.now() - began < SHORTEST_MILLISECONDS) {
    tidy(() => relu(matmul(x, x)));
    calls += 2;
  }
  const row = (await tidy(() => relu(matmul(x, x))).data()).subarray(0, SIZE);
  const wrong = row.findIndex((value, j) => value !== expectedAt(values, j));
  if (wrong >= 0) throw new Error(`after ${calls} kernel calls, element ${wrong} of a matrix product is ${row[wrong]}`);
  const threads = (device as typeof device & { readonly adapter: { readonly threads: number } }).adapter.threads;
  await device.destroy();
  return { calls, threads };
}

/** Element [0, j] of relu(x x), exact because all are small whole numbers. */
function expectedAt(values: Float32Array, j: number): number {
  let sum = 0;
  for (let k = 0; k < SIZE; k++) sum += values[k] * values[k * SIZE + j];
  return Math.max(0, sum);
}

/**
 * Runs a program that prints a ProbeResult, and says how that went.
 * @param args of `node`; default: this command line with `doctor --probe`
 */
export function probeInChild(
  args: readonly string[] = [...process.execArgv, process.argv[1], 'doctor', '--probe'],
): Promise<ProbeResult | { readonly failure: string }> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: PATIENCE_MILLISECONDS });
    let [printed, complaint] = ['', ''];
    child.stdout.on('data', data => {
      printed += data;
    });
    child.stderr.on('data', data => {
      complaint += data;
    });
    child.on('error', error => resolve({ failure: `the process did not start: ${error.message}` }));
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(JSON.parse(printed.trim().split('\n').at(-1)!) as ProbeResult);
      const ending = signal ? `signal ${signal}` : `exit code ${code}`;
      const lines = complaint.split('\n').map(line => line.replace(/^#\s*/, '').trim());
      const said = lines.find(line => /check failed/i.test(line)) ?? lines.find(line => /error|fail/i.test(line));
      resolve({ failure: `a process that ran kernels ended with ${ending}${said ? ` ("${said}")` : ''}` });
    });
  });
}
