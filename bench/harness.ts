/**
 * Taking times. Each contender is warmed up, its result is compared with the first one's (a wrong kernel may be as fast as
 * it likes), then all are sampled in several rounds of alternating order, so that a machine that heats up or a neighbour
 * who gets busy hits everyone alike. In this process the `benchmark` package takes the samples, with deferred functions
 * that resolve when the device is done; its own statistic is the mean, so the medians are made from its samples here.
 */
import Benchmark from 'benchmark';
import { type Contender, type Entrant, Missing, type Work } from './contender.ts';
import { summarize, type Timing } from './statistics.ts';

/** One sample shall take this long, or the clock and the waiting for completion show. */
const SAMPLE_MILLISECONDS = 4;
const MOST_REPEATS = 2000;
/** Largest difference to the first contender's result, as a share of its largest value. */
const AGREEMENT = 2e-3;

export interface Budget {
  /** Seconds of sampling per contender, all rounds together. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly rounds: number;
}

export type Outcome = { readonly contender: string; readonly note?: string } & (
  | { readonly timing: Timing }
  /** Did not take part, and why. */
  | { readonly missing: string }
  /** Took part and failed: threw, or computed something else than the first contender. */
  | { readonly failed: string }
);

/** A contender that runs `work` in this process. */
export function timed(work: Work, rest: Pick<Contender, 'note' | 'output' | 'dispose'> = {}): Contender {
  let repeats = 1;
  const batch = async (): Promise<void> => {
    for (let i = 0; i < repeats; i++) {
      const pending = work.once();
      if (pending) await pending;
    }
    await work.finish?.();
  };
  return {
    ...rest,
    async warmUp(seconds) {
      const end = performance.now() + 1e3 * seconds;
      let fastest = Infinity;
      for (let runs = 0; runs < 2 || performance.now() < end; runs++) {
        const started = performance.now();
        await batch();
        fastest = Math.min(fastest, (performance.now() - started) / repeats);
        repeats = Math.min(MOST_REPEATS, Math.max(1, Math.round(SAMPLE_MILLISECONDS / fastest)));
      }
    },
    sample: seconds => sample(batch, seconds).then(samples => samples.map(ms => ms / repeats)),
  };
}

/** Milliseconds of each call of `batch`, for about `seconds`. */
function sample(batch: () => Promise<void>, seconds: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const bench = new Benchmark({
      defer: true,
      delay: 0,
      // Shorter than any batch: one sample is one call, and none is averaged away.
      minTime: 1e-6,
      minSamples: 2,
      maxTime: seconds,
      fn(deferred: Benchmark.Deferred) {
        batch().then(
          () => deferred.resolve(),
          error => {
            reject(error);
            bench.abort();
            deferred.resolve();
          },
        );
      },
      onComplete() {
        resolve(bench.stats.sample.map((period: number) => 1e3 * period));
      },
      onError() {
        reject(bench.error);
      },
    });
    bench.run({ async: true });
  });
}

interface Runner {
  readonly entrant: Entrant;
  contender?: Contender;
  outcome?: Outcome;
  readonly samples: number[];
}

/** Times all entrants against each other. Never throws for one of them: its outcome says what happened. */
export async function race(entrants: readonly Entrant[], budget: Budget): Promise<Outcome[]> {
  const runners: Runner[] = entrants.map(entrant => ({ entrant, samples: [] }));
  try {
    for (const runner of runners) {
      await attempt(runner, async () => {
        runner.contender = await runner.entrant.prepare();
        await runner.contender.warmUp(budget.warmUpSeconds);
      });
    }
    await compareOutputs(runners);
    for (let round = 0; round < budget.rounds; round++) {
      const order = round % 2 === 0 ? runners : [...runners].reverse();
      for (const runner of order) {
        if (runner.outcome) continue;
        await attempt(runner, async () => {
          runner.samples.push(...(await runner.contender!.sample(budget.seconds / budget.rounds)));
        });
      }
    }
  } finally {
    for (const { contender } of runners) await contender?.dispose?.();
  }
  return runners.map(({ entrant, contender, outcome, samples }) => {
    const whose = { contender: entrant.name, ...(contender?.note === undefined ? {} : { note: contender.note }) };
    return outcome ?? { ...whose, timing: summarize(samples) };
  });
}

async function attempt(runner: Runner, work: () => Promise<void>): Promise<void> {
  const { name } = runner.entrant;
  try {
    await work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const note = runner.contender?.note;
    const whose = { contender: name, ...(note === undefined ? {} : { note }) };
    runner.outcome = error instanceof Missing ? { ...whose, missing: reason } : { ...whose, failed: reason };
  }
}

async function compareOutputs(runners: readonly Runner[]): Promise<void> {
  let first: { name: string; values: ArrayLike<number> } | undefined;
  for (const runner of runners) {
    if (runner.outcome || !runner.contender?.output) continue;
    await attempt(runner, async () => {
      const values = await runner.contender!.output!();
      if (!first) first = { name: runner.entrant.name, values };
      else {
        const difference = describeDifference(values, first.values);
        if (difference) throw new Error(`disagrees with ${first.name}: ${difference}`);
      }
    });
  }
}

/** How two results differ, or undefined when they agree within `AGREEMENT`. */
export function describeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): string | undefined {
  if (actual.length !== expected.length) return `${actual.length} values instead of ${expected.length}`;
  let largest = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]));
    const difference = Math.abs(actual[i] - expected[i]);
    worst = difference > worst || Number.isNaN(difference) ? difference : worst;
    if (Number.isNaN(worst)) return `value ${i} is ${actual[i]} instead of ${expected[i]}`;
  }
  const share = worst / Math.max(largest, 1e-30);
  if (worst === 0 || share <= AGREEMENT) return undefined;
  return `largest difference ${share.toExponential(1)} of the largest value`;
}
