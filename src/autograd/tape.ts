/**
 * The tape: define by run. Every operation on a tensor that leads back to something whose gradient is wanted leaves a
 * node here with what it read and made. Nodes hold storage, not tensors, so disposing a tensor (or `tidy`) never breaks a
 * backward pass; nodes are reference counted like storage, so a graph that is never differentiated goes with its last
 * tensor. What a node has saved counts as of the moment it was saved: to read it after its memory was overwritten is an
 * error. Backward passes live in `backward.ts`.
 */
import { UsageError } from '../devices/errors.ts';
import type { Shape } from '../devices/shape.ts';
import { aliasOf, release, retain, type Storage, versionOf } from '../devices/storage.ts';
import { activeRecording, now, type Recording, type Version } from '../devices/versions.ts';
import { type GraphNode, Tensor } from '../tensor/tensor.ts';
import type { Op, SavedArray } from './operation.ts';

/** Where a leaf's gradient is collected: where there is none yet the first contribution writes, later ones add. */
export interface GradientDestination {
  readonly storage: Storage;
  hasGradient: boolean;
}

export type GradientHook = (gradient: Tensor) => Tensor | undefined;

let sequence = 0;

export class TapeNode implements GraphNode, Version {
  /** Later nodes have larger numbers, so descending order is a topological order for the backward pass. */
  readonly id = ++sequence;
  /** What made this node's value; undefined for a leaf. */
  readonly op: Op | undefined;
  readonly params: unknown;
  readonly shape: Shape;
  /** For each input of the op, the node it came from, if a gradient can flow there. */
  readonly parents: readonly (TapeNode | undefined)[];
  /** When the op had run, and in which capture: the version of what it saved. */
  readonly asOf: number = now();
  readonly recording: Recording | undefined;
  #saved: { inputs: SavedArray[]; outputs: SavedArray[] } | undefined;
  #references = 1;
  /** Called with the gradient of this value before it flows on; may replace it. */
  readonly hooks: GradientHook[] = [];
  /** For the leaf of a parameter: where `backward` puts its gradient. */
  destination: GradientDestination | undefined;
  /** A name for messages and rules: the module that made the value. */
  label: string | undefined;

  constructor(
    op: Op | undefined,
    params: unknown,
    shape: Shape,
    parents: readonly (TapeNode | undefined)[],
    saved: { inputs: SavedArray[]; outputs: SavedArray[] } | undefined,
  ) {
    this.op = op;
    this.params = params;
    this.shape = shape;
    this.parents = parents;
    this.#saved = saved;
    for (const parent of parents) parent?.retain();
    if (saved) {
      for (const { storage } of [...saved.inputs, ...saved.outputs]) retain(storage);
      this.recording = activeRecording(saved.outputs[0].storage.allocation.device);
    }
    this.label = currentLabel;
  }

  /** What the op read and made; throws when a backward pass has already used it up. */
  get saved(): { readonly inputs: readonly SavedArray[]; readonly outputs: readonly SavedArray[] } {
    if (!this.#saved) {
      throw new UsageError(
        `The graph through ${this.describe()} has been used by a backward pass already; pass { retainGraph: true } to the first one.`,
      );
    }
    return this.#saved;
  }

  /** A saved array as a tensor, at `place` on the tape; reading it throws when it has been overwritten. */
  restore({ storage, shape }: SavedArray, place: TapeNode | undefined): Tensor {
    place?.retain();
    return new Tensor(versionOf(storage, this), shape, place);
  }

  describe(): string {
    return `${this.op?.name ?? 'leaf'}${this.label ? ` (${this.label})` : ''}`;
  }

  /** Frees what was saved for the gradient; the node stays as a link. */
  freeSaved(): void {
    const saved = this.#saved;
    this.#saved = undefined;
    if (saved) for (const { storage } of [...saved.inputs, ...saved.outputs]) release(storage);
  }

  retain(): void {
    this.#references++;
  }

  release(): void {
    // Iterative: the chain of nodes behind a recurrent network can be longer than the call stack.
    const pending: TapeNode[] = [this];
    for (let node = pending.pop(); node; node = pending.pop()) {
      if (--node.#references > 0) continue;
      node.freeSaved();
      for (const parent of node.parents) if (parent) pending.push(parent);
    }
  }
}

let pauses = 0;
let currentLabel: string | undefined;

/** False inside `noGrad`. */
export function isRecording(): boolean {
  return pauses === 0;
}

/** Runs the synchronous `f` without recording: nothing it computes can be differentiated. */
export function noGrad<T>(f: () => T): T {
  pauses++;
  try {
    const result = f();
    if (result instanceof Promise)
      throw new UsageError('noGrad: the function returned a promise; it must be synchronous.');
    return result;
  } finally {
    pauses--;
  }
}

/** Runs `f` with recording on, even inside `noGrad`: a backward pass that is itself to be differentiated. */
export function withRecording<T>(f: () => T): T {
  const before = pauses;
  pauses = 0;
  try {
    return f();
  } finally {
    pauses = before;
  }
}

/** Nodes made by `f` carry this name in error messages and rules. */
export function withLabel<T>(label: string, f: () => T): T {
  const before = currentLabel;
  currentLabel = label;
  try {
    return f();
  } finally {
    currentLabel = before;
  }
}

/** The innermost name that `withLabel` has set: the module at work. */
export function activeLabel(): string | undefined {
  return currentLabel;
}

/** The tape node of a tensor, if a gradient can reach it. */
export function nodeOf(tensor: Tensor): TapeNode | undefined {
  return tensor.node as TapeNode | undefined;
}

/** A leaf: a value whose gradient is wanted. */
export function leafNode(shape: Shape): TapeNode {
  return new TapeNode(undefined, undefined, shape, [], undefined);
}

/**
 * The same storage in a new tensor, cut off from the tape. It stands for what `x` is now: where `x` changes in place, as
 * parameters and running statistics do, reading it afterwards is an error, and `clone` keeps a copy.
 */
export function detach(x: Tensor): Tensor {
  return new Tensor(aliasOf(x.storage, 'detach'), x.shape);
}

/** The same value at the same place of the tape, in a tensor with a lifetime of its own, for use at once. */
export function alias(x: Tensor): Tensor {
  x.node?.retain();
  return new Tensor(retain(x.storage), x.shape, x.node);
}

/** As `alias`, for whoever keeps it: it stands for what `x` is now, as with `detach`. */
export function aliasAsOfNow(x: Tensor, what: string): Tensor {
  x.node?.retain();
  return new Tensor(aliasOf(x.storage, what), x.shape, x.node);
}
