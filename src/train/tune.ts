/**
 * Which options suit? Random search tries combinations, successive halving spends most of the work on those that look
 * well: every trial gets a small budget, the better ones a larger one, the best of those a larger one still. Trials are
 * judged by whatever `evaluate` returns, which must be images held out of the training set: whoever chooses by the test
 * images has none left to judge the choice by.
 *
 * The draw is stratified (a Latin hypercube): every option of a choice comes up equally often and a range is covered
 * evenly, so that the averages of few trials can be compared. A trial starts anew at every budget, because the course of
 * its learning rate belongs to the length of its training. All trials have the first budget in common, so what an option
 * did is read there (`marginalEffects`), and only there.
 *
 * J. Bergstra, Y. Bengio: Random search for hyper-parameter optimization. JMLR 13, 2012.
 * K. Jamieson, A. Talwalkar: Non-stochastic best arm identification and hyperparameter optimization. AISTATS 2016.
 */
import { UsageError } from '../devices/errors.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';

/** One thing to choose: among values, or a number between two by its logarithm. */
export type Dimension =
  | { readonly name: string; readonly values: readonly (string | number)[] }
  | { readonly name: string; readonly low: number; readonly high: number };

/** A value for every dimension, by name. */
export type Choice = Readonly<Record<string, string | number>>;

/** How a trial did with one budget. */
export interface TrialOutcome {
  /** Share of the held-out images that is right; null where the training failed. */
  readonly accuracy: number | null;
  /** Their mean negative log-likelihood; null where the training failed. */
  readonly loss: number | null;
  readonly seconds: number;
  /** Why there is no accuracy. */
  readonly failure?: string;
}

/** A trial with one budget: the n-th rung of the ladder. */
export interface Attempt extends TrialOutcome {
  readonly rung: number;
  readonly budget: number;
}

export interface Trial {
  /** From 0, in the order drawn. */
  readonly id: number;
  readonly choice: Choice;
  /** One per rung that it reached. */
  readonly attempts: readonly Attempt[];
}

export interface Halving {
  /** Of each rung, growing. The unit is the caller's, for example epochs. */
  readonly budgets: readonly number[];
  /** One in so many trials goes on to the next rung (at least one does). */
  readonly eta: number;
}

const STREAM = streamNamed('tune');

/**
 * Draws trials.
 * @throws UsageError for no trial, or a dimension without values
 */
export function drawChoices(space: readonly Dimension[], trials: number, seed: number): Choice[] {
  if (!Number.isInteger(trials) || trials < 1)
    throw new UsageError(`A search needs at least one trial, not ${trials}.`);
  const columns = space.map((dimension, index): [string, (string | number)[]] => {
    const random = new PhiloxStream(seed, STREAM, index);
    const places = Array.from({ length: trials }, (_, place) => place);
    for (let last = trials - 1; last > 0; last--) {
      const chosen = random.below(last + 1);
      [places[last], places[chosen]] = [places[chosen], places[last]];
    }
    if ('values' in dimension) {
      const { name, values } = dimension;
      if (values.length === 0) throw new UsageError(`There is nothing to choose for ${name}.`);
      return [name, places.map(place => values[place % values.length])];
    }
    const { name, low, high } = dimension;
    if (!(low > 0 && high >= low)) throw new UsageError(`${name} cannot lie between ${low} and ${high}.`);
    const at = (share: number): number => Number((low * (high / low) ** share).toPrecision(3));
    return [name, places.map(place => at((place + random.uniform()) / trials))];
  });
  return Array.from({ length: trials }, (_, id) =>
    Object.fromEntries(columns.map(([name, drawn]) => [name, drawn[id]])),
  );
}

/** How many trials stand on each rung. */
export function rungSizes(trials: number, { budgets, eta }: Halving): number[] {
  if (!(eta > 1)) throw new UsageError(`One in ${eta} trials cannot go on; it must be one in more than 1.`);
  if (budgets.length === 0 || budgets.some((budget, rung) => !(budget > (rung === 0 ? 0 : budgets[rung - 1])))) {
    throw new UsageError(`Budgets must grow from rung to rung, not run ${budgets.join(', ')}.`);
  }
  const sizes = [trials];
  for (let rung = 1; rung < budgets.length; rung++) sizes.push(Math.max(1, Math.floor(sizes[rung - 1] / eta)));
  return sizes;
}

/**
 * Runs the search.
 *
 * @param choices see drawChoices
 * @param evaluate trains one choice with one budget and judges it on held-out images; called once per trial and rung
 * @returns all trials in the order drawn
 */
export async function successiveHalving(
  choices: readonly Choice[],
  halving: Halving,
  evaluate: (
    choice: Choice,
    at: { readonly id: number; readonly rung: number; readonly budget: number },
  ) => Promise<TrialOutcome>,
): Promise<Trial[]> {
  const sizes = rungSizes(choices.length, halving);
  const attempts: Attempt[][] = choices.map(() => []);
  let standing = choices.map((_, id) => id);
  for (const [rung, budget] of halving.budgets.entries()) {
    for (const id of standing) {
      attempts[id].push({ rung, budget, ...(await evaluate(choices[id], { id, rung, budget })) });
    }
    const next = sizes[rung + 1] ?? 0;
    const isAlive = (id: number): boolean => attempts[id][rung].accuracy !== null;
    const better = (a: number, b: number): number => compareAttempts(attempts[a][rung], attempts[b][rung]) || a - b;
    standing = standing
      .filter(isAlive)
      .sort(better)
      .slice(0, next)
      .sort((a, b) => a - b);
  }
  return choices.map((choice, id) => ({ id, choice, attempts: attempts[id] }));
}

/** By accuracy, then by loss; what failed stands last. Negative: the first is better. */
function compareAttempts(a: TrialOutcome, b: TrialOutcome): number {
  if (a.accuracy === null || b.accuracy === null) return Number(a.accuracy === null) - Number(b.accuracy === null);
  return b.accuracy - a.accuracy || (a.loss ?? 0) - (b.loss ?? 0);
}

/** Trials from best to worst: by the rung they reached, then by how they did there. */
export function ranking(trials: readonly Trial[]): Trial[] {
  return trials
    .slice()
    .sort(
      (a, b) =>
        b.attempts.length - a.attempts.length || compareAttempts(a.attempts.at(-1)!, b.attempts.at(-1)!) || a.id - b.id,
    );
}

/** How the trials with one option did on the first rung. */
export interface OptionEffect {
  readonly dimension: string;
  /** The option, or a range of numbers. */
  readonly option: string;
  readonly trials: number;
  /** Trials that gave no accuracy (they are in no figure below). */
  readonly failed: number;
  /** Of the accuracies; null where there are none. */
  readonly mean: number | null;
  /** Standard deviation between the trials; null below two. */
  readonly spread: number | null;
  readonly least: number | null;
  readonly greatest: number | null;
}

const RANGES = 3;

/** What each option did: the trials of the first rung, grouped by one dimension at a time. */
export function marginalEffects(space: readonly Dimension[], trials: readonly Trial[]): OptionEffect[] {
  return space.flatMap(dimension =>
    optionsOf(dimension).map(option => {
      const own = trials.filter(({ choice }) => optionOf(dimension, choice[dimension.name]) === option);
      const accuracies = own.flatMap(({ attempts: [{ accuracy }] }) => (accuracy === null ? [] : [accuracy]));
      const { length } = accuracies;
      const mean = accuracies.reduce((sum, value) => sum + value, 0) / length;
      const squares = accuracies.reduce((sum, value) => sum + (value - mean) ** 2, 0);
      return {
        dimension: dimension.name,
        option,
        trials: own.length,
        failed: own.length - length,
        mean: length > 0 ? mean : null,
        spread: length > 1 ? Math.sqrt(squares / (length - 1)) : null,
        least: length > 0 ? Math.min(...accuracies) : null,
        greatest: length > 0 ? Math.max(...accuracies) : null,
      };
    }),
  );
}

/** The options of a dimension: its values, or a range in parts that are equally wide by their logarithm. */
function optionsOf(dimension: Dimension): string[] {
  if ('values' in dimension) return dimension.values.map(String);
  const { low, high } = dimension;
  const edge = (part: number): string => (low * (high / low) ** (part / RANGES)).toPrecision(2);
  return Array.from({ length: RANGES }, (_, part) => `${edge(part)} to ${edge(part + 1)}`);
}

/** The option that a value counts for. */
export function optionOf(dimension: Dimension, value: string | number): string {
  if ('values' in dimension) return String(value);
  const { low, high } = dimension;
  const part = Math.floor((RANGES * Math.log(Number(value) / low)) / Math.log(high / low));
  return optionsOf(dimension)[Math.min(RANGES - 1, Math.max(0, part || 0))];
}
