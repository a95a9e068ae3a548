/**
 * What an optimizer works on: a whole model, a part of it, single parameters, or groups of them with options of their own.
 * However it is said, it comes to a list of parameters of one model, each in one group.
 */
import { flag, knownOptions, nonNegative, refuse } from '../../devices/checks.ts';
import { UsageError } from '../../devices/errors.ts';
import { type Arena, arenaOf } from '../arena.ts';
import { Module } from '../module.ts';
import { Parameter } from '../parameter.ts';

/** A model, a part of one, a parameter, or a list of parts and parameters. */
export type Trainables = Module | Parameter | readonly (Module | Parameter)[];

/** Parameters with options of their own; what is left out is as in the optimizer's options. */
export interface OptimizerGroup {
  readonly parameters: Trainables;
  /** Keeps its proportion to the optimizer's `learningRate` when that changes, so that a schedule moves both. */
  readonly learningRate?: number;
  readonly weightDecay?: number;
  readonly decayAll?: boolean;
}

/** What the constructor of an optimizer takes first. */
export type Optimized = Trainables | OptimizerGroup | readonly OptimizerGroup[];

/** The options that a group may have of its own. */
export interface GroupDefaults {
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly decayAll: boolean;
}

export interface ResolvedGroup {
  /** Undefined: the optimizer's. */
  readonly learningRate: number | undefined;
  readonly weightDecay: number;
  readonly decayAll: boolean;
  readonly parameters: readonly Parameter[];
}

export interface OptimizedParameters {
  readonly arena: Arena;
  readonly groups: readonly ResolvedGroup[];
}

/**
 * Checks and resolves what an optimizer was given; allocates nothing.
 * @param what name of the optimizer, for messages
 */
export function resolveGroups(what: string, optimized: Optimized, defaults: GroupDefaults): OptimizedParameters {
  const given = groupsOf(what, optimized);
  const groups = given.map((group, i) => resolveGroup(what, group, given.length > 1 ? `groups[${i}].` : '', defaults));
  const all = groups.flatMap(({ parameters }) => parameters);
  const seen = new Set<Parameter>();
  for (const parameter of all) {
    if (seen.has(parameter)) throw new UsageError(`${what}: the parameter "${parameter.name}" is given twice.`);
    seen.add(parameter);
  }
  if (all.length === 0) throw new UsageError(`${what}: there is no parameter to optimize.`);
  const arenas = new Set(all.map(arenaOf));
  const [arena] = arenas;
  if (arenas.has(undefined) || arena === undefined) {
    throw new UsageError(`${what}: a parameter has no value yet; call initialize() on the model first.`);
  }
  if (arenas.size > 1) throw new UsageError(`${what}: the parameters belong to several models; make one for each.`);
  return { arena, groups };
}

const isGroup = (value: unknown): value is OptimizerGroup =>
  typeof value === 'object' && value !== null && !(value instanceof Module) && 'parameters' in value;

function groupsOf(what: string, optimized: Optimized): readonly OptimizerGroup[] {
  if (!Array.isArray(optimized)) return [isGroup(optimized) ? optimized : { parameters: optimized as Trainables }];
  const list: readonly unknown[] = optimized;
  if (list.length > 0 && list.every(isGroup)) return list;
  if (list.some(isGroup)) {
    throw new UsageError(`${what}: the list holds groups and parameters; give all of them as groups.`);
  }
  return [{ parameters: list as readonly (Module | Parameter)[] }];
}

function resolveGroup(what: string, group: OptimizerGroup, prefix: string, defaults: GroupDefaults): ResolvedGroup {
  knownOptions(what, group, ['parameters', 'learningRate', 'weightDecay', 'decayAll']);
  const { learningRate, weightDecay = defaults.weightDecay, decayAll = defaults.decayAll } = group;
  if (learningRate !== undefined) {
    nonNegative(what, `${prefix}learningRate`, learningRate);
    if (learningRate > 0 && defaults.learningRate === 0) {
      refuse(what, 'learningRate', 0, 'above 0 where a group has a rate of its own, which stays in proportion to it');
    }
  }
  return {
    learningRate,
    weightDecay: nonNegative(what, `${prefix}weightDecay`, weightDecay),
    decayAll: flag(what, `${prefix}decayAll`, decayAll),
    parameters: parametersOf(what, `${prefix}parameters`, group.parameters),
  };
}

function parametersOf(what: string, name: string, trainables: Trainables): Parameter[] {
  if (Array.isArray(trainables)) {
    return trainables.flatMap((one, i) => parametersOf(what, `${name}[${i}]`, one));
  }
  if (trainables instanceof Parameter) return [trainables];
  if (trainables instanceof Module) return trainables.namedParameters().map(([, parameter]) => parameter);
  return refuse(what, name, trainables, 'an initialised model, a part of one, a parameter, or a list of these');
}
