/** What the harness promises: completion is awaited, order alternates, nobody's failure stops the others or is hidden. */
import { describe, expect, it } from 'vitest';
import { type Contender, type Entrant, Missing } from '../../bench/contender.ts';
import { type Budget, describeDifference, race, timed } from '../../bench/harness.ts';
import { quantile, summarize } from '../../bench/statistics.ts';

const BRIEF: Budget = { seconds: 0.12, warmUpSeconds: 0.02, rounds: 3 };
const sleep = (milliseconds: number): Promise<void> => new Promise(resolve => setTimeout(resolve, milliseconds));
const entrant = (name: string, prepare: Entrant['prepare']): Entrant => ({ name, prepare });

describe('statistics', () => {
  it('interpolates quantiles as NumPy does', () => {
    // numpy.quantile([3, 1, 2, 10], [0, .5, .9, 1]) == [1, 2.5, 7.9, 10]
    const values = [3, 1, 2, 10];
    expect([0, 0.5, 0.9, 1].map(q => quantile(values, q))).toEqual([1, 2.5, expect.closeTo(7.9, 12), 10]);
    expect(summarize([5])).toEqual({ median: 5, min: 5, p90: 5, samples: 1 });
    expect(() => quantile([], 0.5)).toThrow('no values');
  });
});

describe('timed', () => {
  it('waits for work that is only enqueued by once()', async () => {
    const contender = timed({ once() {}, finish: () => sleep(15) });
    await contender.warmUp(0.02);
    const samples = await contender.sample(0.06);
    expect(samples.length).toBeGreaterThanOrEqual(2);
    // Timers may fire up to a millisecond early.
    expect(Math.min(...samples)).toBeGreaterThan(13);
  });

  it('repeats short work within a sample and divides by the repeats', async () => {
    let runs = 0;
    let batches = 0;
    const contender = timed({
      once() {
        runs++;
        const end = performance.now() + 0.2;
        while (performance.now() < end);
      },
      async finish() {
        batches++;
      },
    });
    await contender.warmUp(0.03);
    runs = batches = 0;
    const samples = await contender.sample(0.05);
    expect(batches).toBe(samples.length);
    expect(runs / batches).toBeGreaterThan(3);
    expect(Math.min(...samples)).toBeGreaterThan(0.19);
    expect(Math.min(...samples)).toBeLessThan(2);
  });

  it('rejects with what the work throws, at once or later', async () => {
    const sudden = timed({
      once() {
        throw new Error('sudden');
      },
    });
    await expect(sudden.warmUp(0.01)).rejects.toThrow('sudden');
    await expect(sudden.sample(0.01)).rejects.toThrow('sudden');
    let calls = 0;
    const late = timed({
      async once() {
        if (++calls > 3) throw new Error('late');
        await sleep(5);
      },
    });
    await expect(late.sample(1)).rejects.toThrow('late');
  });
});

describe('race', () => {
  /** A contender that writes its turns into `log`. */
  function logging(name: string, log: string[]): Entrant {
    return entrant(name, () => ({
      async warmUp() {
        log.push(`warm ${name}`);
      },
      async sample() {
        log.push(name);
        return [1];
      },
      dispose() {
        log.push(`dispose ${name}`);
      },
    }));
  }

  it('warms everyone up, then takes turns in alternating order, then disposes', async () => {
    const log: string[] = [];
    await race([logging('a', log), logging('b', log)], BRIEF);
    expect(log).toEqual(['warm a', 'warm b', 'a', 'b', 'b', 'a', 'a', 'b', 'dispose a', 'dispose b']);
  });

  it('joins the samples of all rounds', async () => {
    let round = 0;
    const contender: Contender = {
      async warmUp() {},
      sample: async () => [10 * ++round, 10 * round + 1],
    };
    const [outcome] = await race([entrant('a', () => contender)], BRIEF);
    expect(outcome).toEqual({ contender: 'a', timing: { median: 20.5, min: 10, p90: 30.5, samples: 6 } });
  });

  it('names those that are missing or fail, with the reason, and times the others', async () => {
    const log: string[] = [];
    const outcomes = await race(
      [
        entrant('absent', () => {
          throw new Missing('not installed');
        }),
        entrant('broken', async () => {
          throw new Error('does not compile');
        }),
        entrant('stumbles', () => ({
          note: 'variant x',
          async warmUp() {},
          async sample() {
            throw new Error('trap');
          },
          dispose() {
            log.push('disposed');
          },
        })),
        logging('fine', log),
      ],
      BRIEF,
    );
    expect(outcomes.slice(0, 3)).toEqual([
      { contender: 'absent', missing: 'not installed' },
      { contender: 'broken', failed: 'does not compile' },
      { contender: 'stumbles', note: 'variant x', failed: 'trap' },
    ]);
    expect(outcomes[3]).toMatchObject({ contender: 'fine', timing: { samples: 3 } });
    expect(log.filter(entry => entry === 'fine')).toHaveLength(3);
    expect(log).toContain('disposed');
  });

  it('does not time a contender whose result differs from the first', async () => {
    const computing = (name: string, values: number[]): Entrant =>
      entrant(name, () => timed({ once() {} }, { output: async () => values }));
    const outcomes = await race(
      [computing('a', [1, 2, -4]), computing('b', [1, 2.001, -4]), computing('c', [1, 2, -3])],
      BRIEF,
    );
    expect(outcomes[0]).toHaveProperty('timing');
    expect(outcomes[1]).toHaveProperty('timing');
    expect(outcomes[2]).toEqual({ contender: 'c', failed: expect.stringMatching(/^disagrees with a: .*2\.5e-1/) });
  });

  it('tells NaN and missing values from agreement', () => {
    expect(describeDifference([1, 2], [1, 2])).toBeUndefined();
    expect(describeDifference([0, 0], [0, 0])).toBeUndefined();
    expect(describeDifference([1, Number.NaN], [1, 2])).toMatch('NaN');
    expect(describeDifference([1], [1, 2])).toMatch('1 values instead of 2');
    expect(describeDifference([1e-3, 0], [0, 0])).toMatch('of the largest value');
  });
});
