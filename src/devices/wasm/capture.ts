/**
 * A recorded training step: the passes it ran with all addresses resolved, run again without any of the work of finding
 * plans and memory. What was allocated while recording stays with the capture, and is reused within it as the step's own
 * frees allow, because a replay writes to the same addresses; storages from outside are held on to for the same reason.
 */
import type { Capture } from '../device.ts';
import type { Allocation } from '../storage.ts';
import { type Block, Heap, roundToGranule } from './heap.ts';
import { type Plan, SOURCE } from './plans.ts';
import type { Job } from './pool.ts';

/** One kernel call: its passes in order. */
export interface RecordedRun {
  readonly plan: Plan;
  readonly jobs: readonly Job[];
}

/** What a recording needs of its device. */
export interface CaptureOwner {
  allocateBlock(bytes: number): Block;
  freeBlock(block: Block): void;
  execute(run: RecordedRun): void;
  /** Throws when the device is destroyed or recording. */
  checkReplay(): void;
  releaseAllocation(allocation: Allocation): void;
}

export class WasmCapture implements Capture {
  readonly #owner: CaptureOwner;
  readonly #runs: RecordedRun[] = [];
  readonly #regions: Block[] = [];
  readonly #heap = new Heap();
  readonly #held = new Set<Allocation>();
  readonly #signature: string[] = [];
  disposed = false;

  constructor(owner: CaptureOwner) {
    this.#owner = owner;
  }

  /** @param places for each input and output, its address if it comes from outside */
  record(run: RecordedRun, places: readonly string[]): void {
    this.#runs.push(run);
    this.#signature.push(`${describe(run.plan)} on ${places.join()}`);
  }

  get signature(): string {
    return this.#signature.join('\n');
  }

  /** Keeps an allocation from outside alive for the replays. */
  hold(allocation: Allocation): void {
    if (this.#held.has(allocation)) return;
    this.#held.add(allocation);
    allocation.references++;
  }

  allocateBlock(bytes: number): Block {
    const block = this.#heap.allocate(bytes);
    if (block) return block;
    const region = this.#owner.allocateBlock(roundToGranule(bytes));
    this.#regions.push(region);
    this.#heap.add(region.address, region.bytes);
    return this.#heap.allocate(bytes)!;
  }

  freeBlock(block: Block): void {
    if (!this.disposed) this.#heap.free(block);
  }

  replay(): void {
    this.#owner.checkReplay();
    if (this.disposed) throw new Error('capture: replay after dispose; capture the step again.');
    for (const run of this.#runs) this.#owner.execute(run);
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    for (const region of this.#regions) this.#owner.freeBlock(region);
    for (const allocation of this.#held) this.#owner.releaseAllocation(allocation);
    this.#regions.length = 0;
    this.#runs.length = 0;
    this.#held.clear();
  }
}

/** A plan as it runs: its programs, task counts and numbers, in which parameters and shapes show. */
function describe({ kernel, variant, passes }: Plan): string {
  const parts = passes.map(({ entry, tasks, sources, values }) => {
    const numbers = values.filter((_, i) => sources[i] === SOURCE.number);
    return `${entry.program.key} ${tasks} ${numbers.join()}`;
  });
  return `${kernel}/${variant} ${parts.join(';')}`;
}
