/**
 * What a command works with: an open device, the data, a way to report progress, and a signal that Ctrl-C raises. Results
 * go to stdout, everything else to stderr.
 */
import type { DataProgress } from '../data/fashion-mnist.node.ts';
import type { FashionMnist, ImageSet } from '../data/fashion-mnist.ts';
import { loadFashionMnist } from '../data/index.node.ts';
import type { Device } from '../devices/device.ts';
import { type OpenOptions, openDevice } from '../devices/open.ts';
import { tunedChoices } from '../devices/tuning.node.ts';
import type { SharedOptions } from './options.ts';
import { ProgressLine } from './progress.ts';

export interface Session {
  readonly device: Device;
  readonly progress: ProgressLine;
  readonly signal: AbortSignal;
}

/** Runs `work` with an open device; closes it afterwards, whatever happens. */
export async function withSession<T>(
  options: SharedOptions,
  work: (session: Session) => Promise<T>,
  open: OpenOptions = {},
): Promise<T> {
  const progress = new ProgressLine();
  const device = await openDevice(options.device, {
    ...open,
    ...(options.precision && { precision: options.precision }),
    webgpu: { choices: tunedChoices, ...open.webgpu },
    wasm: { choices: tunedChoices, ...open.wasm },
  });
  progress.note(`Device: ${device.info.description}`);
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(130);
    progress.note('Stopping after this step (press Ctrl-C again to quit at once).');
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    return await work({ device, progress, signal: controller.signal });
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    progress.end();
    await device.destroy();
  }
}

/** Raised when Ctrl-C stopped the work; the message says what is done and how to go on. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

/** What a command's work gives; undefined when Ctrl-C stopped it: its message is on stderr then, and the exit code is 130. */
export async function unlessInterrupted<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    console.error(error.message);
    process.exitCode = 130;
    return undefined;
  }
}

/** What a session has loaded, by the folder asked for: a study of many chapters reads and checks its data once. */
const loaded = new WeakMap<ProgressLine, Map<string | undefined, Promise<FashionMnist>>>();

/** Finds the data, saying where it comes from; cut to `limit` images of each set. */
export async function obtainData(
  options: Pick<SharedOptions, 'data' | 'limit'>,
  progress: ProgressLine,
): Promise<FashionMnist> {
  const ofSession = loaded.get(progress) ?? new Map<string | undefined, Promise<FashionMnist>>();
  loaded.set(progress, ofSession);
  const data = await (ofSession.get(options.data) ?? findData(options, progress, ofSession));
  if (options.limit === undefined) return data;
  return { ...data, train: firstImages(data.train, options.limit), test: firstImages(data.test, options.limit) };
}

function findData(
  options: Pick<SharedOptions, 'data'>,
  progress: ProgressLine,
  ofSession: Map<string | undefined, Promise<FashionMnist>>,
): Promise<FashionMnist> {
  const found = loadData(options, progress);
  ofSession.set(options.data, found);
  // What was not found may be there the next time.
  found.catch(() => ofSession.delete(options.data));
  return found;
}

async function loadData(options: Pick<SharedOptions, 'data'>, progress: ProgressLine): Promise<FashionMnist> {
  const onProgress = (event: DataProgress): void => {
    if (event.kind === 'note') progress.note(event.message);
    else progress.show(`${event.file}: ${Math.round(event.received / 1024)} KiB`);
  };
  const data = await loadFashionMnist({ dir: options.data, onProgress });
  progress.note(
    data.isSample
      ? 'Data: the small SAMPLE DATA set of this package; figures do not compare with those of the full data set.'
      : `Data: Fashion-MNIST (${data.source.kind}: ${data.source.path})`,
  );
  return data;
}

function firstImages(set: ImageSet, limit: number): ImageSet {
  const count = Math.min(limit, set.count);
  const pixels = set.height * set.width * set.channels;
  return { ...set, count, images: set.images.subarray(0, count * pixels), labels: set.labels.subarray(0, count) };
}
