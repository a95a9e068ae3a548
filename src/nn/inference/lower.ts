/**
 * A model as the list of layers it runs in evaluation mode. Containers and blocks of this library are opened; a module of
 * anybody else, a subclass, or a layer with methods of its own is one opaque item, because nobody but its `forward` knows
 * what it does.
 */
import { Activation } from '../layers/activation.ts';
import { BatchNorm2d } from '../layers/batchnorm.ts';
import { Conv2d } from '../layers/conv2d.ts';
import { Dropout } from '../layers/dropout.ts';
import { Linear } from '../layers/linear.ts';
import { AvgPool2d, GlobalAvgPool, MaxPool2d } from '../layers/pool.ts';
import { Flatten, Normalize, Sequential } from '../layers/sequential.ts';
import { BasicBlock, MiniResNet, PreActivationBlock, Stage } from '../models/mini-resnet.ts';
import type { Module } from '../module.ts';

/** One layer of this library, which does what its class says. */
export interface LayerItem {
  readonly kind: 'layer';
  readonly module: Module;
}

/** A module that is called as it is. */
export interface OpaqueItem {
  readonly kind: 'opaque';
  readonly module: Module;
  readonly reason: string;
}

/** act(norm(main(entry(x))) + shortcut(entry(x))): norm and act are both there or both absent. */
export interface SumItem {
  readonly kind: 'sum';
  readonly entry: readonly Item[];
  readonly main: readonly Item[];
  /** Undefined: x itself is added. */
  readonly shortcut: readonly Item[] | undefined;
  readonly norm: BatchNorm2d | undefined;
  readonly act: Activation | undefined;
}

export type Item = LayerItem | OpaqueItem | SumItem;

type ModuleClass = abstract new (...args: never[]) => Module;

const LAYERS: readonly ModuleClass[] = [
  ...[Activation, BatchNorm2d, Conv2d, Dropout, Linear, AvgPool2d, GlobalAvgPool, MaxPool2d, Flatten, Normalize],
];
const CONTAINERS: readonly ModuleClass[] = [...[Sequential, Stage, BasicBlock, PreActivationBlock, MiniResNet]];
/** Methods that decide what a module computes. */
const METHODS = ['forward', 'call', 'forwardFused', 'named', 'children'] as const;
type Methods = { readonly [name in (typeof METHODS)[number]]?: unknown };

const methodsOf = (module: object): unknown[] => METHODS.map(name => (module as Methods)[name]);
/** Of each class, as this library made them. */
const OWN_METHODS = new Map([...LAYERS, ...CONTAINERS].map(({ prototype }) => [prototype, methodsOf(prototype)]));

/** Why nothing but its own `forward` may be believed of a module; undefined for those that are as this library made them. */
function strangeness(module: Module): string | undefined {
  const own = OWN_METHODS.get(Object.getPrototypeOf(module));
  if (!own) return `its class, ${module.constructor.name}, is not of this library`;
  const replaced = methodsOf(module).findIndex((method, i) => method !== own[i]);
  return replaced < 0 ? undefined : `its ${METHODS[replaced]} was replaced`;
}

/** What a module runs in evaluation mode, in order. */
export function lower(module: Module): Item[] {
  const reason = strangeness(module);
  if (reason !== undefined) return [{ kind: 'opaque', module, reason }];
  if (module instanceof BasicBlock) return lowerBasic(module);
  if (module instanceof PreActivationBlock) return lowerPreActivation(module);
  // The children of these are what they run, in the order in which they run it.
  if (module instanceof Sequential || module instanceof Stage || module instanceof MiniResNet) {
    return module.children().flatMap(([, child]) => lower(child));
  }
  return [{ kind: 'layer', module }];
}

const all = (...modules: readonly Module[]): Item[] => modules.flatMap(lower);

function lowerBasic({ conv1, norm1, act1, conv2, norm2, act2, shortcut, residual }: BasicBlock): Item[] {
  if (!residual) return all(conv1, norm1, act1, conv2, norm2, act2);
  const around = { kind: 'sum', entry: [], shortcut: shortcut && lower(shortcut) } as const;
  if (strangeness(norm2) === undefined && strangeness(act2) === undefined && act2.kind === 'relu') {
    // Batch norm adds the shortcut in its own pass, which has to read and write the image anyway: nothing is saved by folding.
    return [{ ...around, main: all(conv1, norm1, act1, conv2), norm: norm2, act: act2 }];
  }
  return [{ ...around, main: all(conv1, norm1, act1, conv2, norm2), norm: undefined, act: undefined }, ...lower(act2)];
}

function lowerPreActivation({
  norm1,
  act1,
  conv1,
  norm2,
  act2,
  conv2,
  shortcut,
  residual,
}: PreActivationBlock): Item[] {
  const [entry, main] = [all(norm1, act1), all(conv1, norm2, act2, conv2)];
  if (!residual) return [...entry, ...main];
  const ways = { entry, main, shortcut: shortcut && lower(shortcut) };
  return [{ kind: 'sum', ...ways, norm: undefined, act: undefined }];
}
