/**
 * A recorded training step: the passes it ran with all addresses resolved, run again without any of the work of finding
 * plans and memory. What was allocated while recording stays with the capture, and is reused within it as the step's own
 * frees allow, because a replay writes to the same addresses; storages from outside are held on to for the same reason.
 */
import type { Capture, Operand } from '../device.ts';
import type { Allocation, Storage } from '../storage.ts';
import type { Recording } from '../versions.ts';
import { type Block, Heap, roundToGranule } from './heap.ts';
import { type Plan, type PlannedPass, SOURCE } from './plans.ts';

/** One kernel call: its passes in order. */
export interface RecordedRun {
  readonly plan: Plan;
  readonly jobs: readonly PlannedPass[];
}

/** Passes of a plan that are not repeated, and which of its scratch arrays hold what they made. */
export interface Preparation {
  readonly passes: ReadonlySet<PlannedPass>;
  readonly scratch: ReadonlySet<number>;
}

export const NOTHING_PREPARED: Preparation = { passes: new Set(), scratch: new Set() };

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
  readonly recording: Recording;
  readonly #owner: CaptureOwner;
  readonly #runs: RecordedRun[] = [];
  readonly #regions: Block[] = [];
  readonly #heap = new Heap();
  readonly #held = new Set<Allocation>();
  readonly #signature: string[] = [];
  readonly #constant: ReadonlySet<Allocation>;
  preparedBytes = 0;

  /** @param constant memory that the replays find as it is now */
  constructor(recording: Recording, owner: CaptureOwner, constant: readonly Storage[] = []) {
    this.recording = recording;
    this.#owner = owner;
    this.#constant = new Set(constant.map(({ allocation }) => allocation));
  }

  /** What of a plan replays need not repeat: passes that make scratch of constant memory alone. */
  preparationOf({ passes }: Plan, inputs: readonly Operand[]): Preparation {
    if (this.#constant.size === 0) return NOTHING_PREPARED;
    const settled = passes.filter(({ prepares, sources, values }) => {
      const isConstant = (source: number, i: number): boolean =>
        source === SOURCE.input
          ? this.#constant.has(inputs[values[i]].storage.allocation)
          : source === SOURCE.number || source === SOURCE.scratch;
      return prepares && sources.every(isConstant);
    });
    const scratch = settled.flatMap(({ sources, values }) => values.filter((_, i) => sources[i] === SOURCE.scratch));
    return { passes: new Set(settled), scratch: new Set(scratch) };
  }

  /** A block that stays as it is until the capture is disposed. */
  allocatePrepared(bytes: number): Block {
    const block = this.#owner.allocateBlock(roundToGranule(bytes));
    this.#regions.push(block);
    this.preparedBytes += block.bytes;
    return block;
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
    if (!this.recording.isDisposed) this.#heap.free(block);
  }

  replay(): void {
    this.#owner.checkReplay();
    if (this.recording.isDisposed) throw new Error('capture: replay after dispose; capture the step again.');
    for (const run of this.#runs) this.#owner.execute(run);
    this.recording.replayed();
  }

  dispose(): void {
    if (this.recording.isDisposed) return;
    this.recording.dispose();
    for (const region of this.#regions) this.#owner.freeBlock(region);
    for (const allocation of this.#held) this.#owner.releaseAllocation(allocation);
    this.#regions.length = 0;
    this.#runs.length = 0;
    this.#held.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
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
