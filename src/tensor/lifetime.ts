/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Scopes of tensors. `tidy(f)` disposes every tensor that `f` made, except those it returns and those it `keep`s. What
 * the tape has saved stays: it holds storage, not tensors.
 */
import { UsageError } from '../devices/errors.ts';

/**
 * Something with storage to give back: a tensor, as far as this file needs to know. A class with a field, not weak sets
 * beside the objects: those cost 3 us for every tensor, and the garbage collector more (measured).
 */
export abstract class Disposable {
  /** Passed to `keep`: no `tidy` disposes it. */
  isKept = false;
  abstract dispose(): void;

  /** `using x = ...` disposes x where its block ends. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

const scopes: Disposable[][] = [];

/** Called by every new tensor. */
export function registerInScope(tensor: Disposable): void {
  if (scopes.length > 0) scopes[scopes.length - 1].push(tensor);
}

/** Exempts a tensor from every enclosing `tidy`; it lives until it is disposed. */
export function keep<T extends Disposable>(tensor: T): T {
  tensor.isKept = true;
  return tensor;
}

/** Puts a tensor that `keep` or an inner scope let through under the care of the current scope again. */
export function adopt<T extends Disposable>(tensor: T): T {
  tensor.isKept = false;
  registerInScope(tensor);
  return tensor;
}

/**
 * Runs `f` and disposes the tensors it made, but for those in its result (a tensor, or arrays and plain objects of
 * them) and those passed to `keep`. Throws UsageError when `f` returns a promise: tensors made after the first `await`
 * would escape.
 */
export function tidy<T>(f: () => T): T {
  const scope: Disposable[] = [];
  scopes.push(scope);
  let result: T | undefined;
  try {
    result = f();
    if (result instanceof Promise) {
      throw new UsageError(
        'tidy: the function returned a promise; tidy only the synchronous parts of asynchronous work.',
      );
    }
    return result;
  } catch (error) {
    result = undefined;
    throw error;
  } finally {
    scopes.pop();
    const survivors = new Set<Disposable>();
    collectTensors(result, survivors);
    for (const tensor of scope) {
      if (survivors.has(tensor)) registerInScope(tensor);
      else if (!tensor.isKept) tensor.dispose();
    }
  }
}

/**
 * `tidy` for work that may be asynchronous: once `f` has settled, disposes the tensors that it made before its first
 * `await`, except those in its result and those it `keep`s. What it makes after an `await` is its own to dispose.
 */
export async function tidyUntilSettled<T>(f: () => T | Promise<T>): Promise<T> {
  const scope: Disposable[] = [];
  let result: T | undefined;
  try {
    scopes.push(scope);
    let running: T | Promise<T>;
    try {
      running = f();
    } finally {
      scopes.pop();
    }
    return (result = await running);
  } finally {
    const survivors = new Set<Disposable>();
    collectTensors(result, survivors);
    for (const tensor of scope) if (!survivors.has(tensor) && !tensor.isKept) tensor.dispose();
  }
}

/** Runs `f`; gives what it gives and the tensors that it made before its first `await` and no inner scope disposed. */
export function watchTensors<T>(f: () => T): [result: T, made: ReadonlySet<Disposable>] {
  const scope: Disposable[] = [];
  scopes.push(scope);
  try {
    return [f(), new Set(scope)];
  } finally {
    scopes.pop();
    for (const tensor of scope) registerInScope(tensor);
  }
}

/** The tensors in a value: itself, or those in arrays, sets, maps and plain objects. */
export function tensorsOf(value: unknown): ReadonlySet<Disposable> {
  const found = new Set<Disposable>();
  collectTensors(value, found);
  return found;
}

function collectTensors(value: unknown, found: Set<Disposable>): void {
  if (value === null || typeof value !== 'object') return;
  if (value instanceof Disposable) {
    found.add(value);
  } else if (Array.isArray(value) || value instanceof Set) {
    for (const element of value) collectTensors(element, found);
  } else if (value instanceof Map) {
    for (const element of value.values()) collectTensors(element, found);
  } else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const element of Object.values(value)) collectTensors(element, found);
  }
}

/** Disposes tensors; undefined entries are passed over. */
export function dispose(...tensors: (Disposable | undefined)[]): void {
  for (const tensor of tensors) tensor?.dispose();
}
