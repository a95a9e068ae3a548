/** The near end of a sampling process: a checkout's build that waits, ready, for its turn. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { DeviceKind } from '../src/devices/device.ts';
import { UsageError } from '../src/devices/errors.ts';
import type { Answer, Order, SampledCase } from './sampling-process.ts';

const WARM_UP_SECONDS = 0.6;
/** Of one turn; a case that takes longer is run twice. */
const TURN_SECONDS = 0.25;

export interface Sampler {
  /** Makes a case ready. False where this side does not have it. */
  prepare(one: SampledCase): Promise<boolean>;
  /** Milliseconds of one run: the median of a turn. */
  sample(): Promise<number>;
  close(): Promise<void>;
}

export interface SamplerOptions {
  /** The checkout to measure. */
  readonly root: string;
  /** The checkout whose packages bring the loader of TypeScript. */
  readonly loader: string;
  readonly node: string;
  readonly device: DeviceKind;
  readonly threads?: number;
}

export function openSampler({ root, loader, node, device, threads }: SamplerOptions): Sampler {
  const tsx = pathToFileURL(createRequire(join(loader, 'package.json')).resolve('tsx')).href;
  const program = fileURLToPath(new URL('sampling-process.ts', import.meta.url));
  const args = ['--import', tsx, program, root, device, String(threads ?? 0)];
  const child = spawn(node, args, { cwd: root, stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', data => {
    complaint += data;
  });
  const ended = new Promise<string>(resolve => {
    child.on('error', error => resolve(error.message));
    child.on('close', (code, signal) => resolve(`it ended with ${signal ?? code}${firstError(complaint)}`));
  });
  // A process that ended says so where its answer is awaited.
  child.stdin.on('error', () => {});
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

  const order = async (given: Order): Promise<Answer> => {
    child.stdin.write(`${JSON.stringify(given)}\n`);
    const { value, done } = await answers.next();
    if (done) throw new UsageError(`--against: the bench in ${root} cannot be run: ${await ended}.`);
    const answer = JSON.parse(value as string) as Answer;
    if ('failed' in answer) throw new UsageError(`--against: the bench in ${root} failed: ${answer.failed}`);
    return answer;
  };
  return {
    async prepare(one) {
      const answer = await order({ prepare: one, warmUpSeconds: WARM_UP_SECONDS });
      return 'ready' in answer && answer.ready;
    },
    async sample() {
      return ((await order({ sampleSeconds: TURN_SECONDS })) as { milliseconds: number }).milliseconds;
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}

/** The line of an error output that names the error, not the whole dump. */
function firstError(output: string): string {
  const lines = output.split('\n').map(line => line.trim());
  const line = lines.find(text => /error|check failed/i.test(text)) ?? lines.find(text => text !== '');
  return line ? `: ${line}` : '';
}
