/** The search on functions whose best option is known, so every figure can be checked by hand. */
import { describe, expect, test } from 'vitest';
import {
  type Choice,
  type Dimension,
  drawChoices,
  marginalEffects,
  ranking,
  rungSizes,
  successiveHalving,
} from '../../src/train/tune.ts';

const SPACE: readonly Dimension[] = [
  { name: 'size', values: [3, 5, 7] },
  { name: 'kind', values: ['a', 'b'] },
  { name: 'rate', low: 0.001, high: 1 },
];

describe('the draw', () => {
  const choices = drawChoices(SPACE, 12, 7);

  test('every option comes up equally often, a range is covered evenly', () => {
    for (const size of [3, 5, 7]) expect(choices.filter(choice => choice.size === size)).toHaveLength(4);
    for (const kind of ['a', 'b']) expect(choices.filter(choice => choice.kind === kind)).toHaveLength(6);
    const parts = choices.map(({ rate }) => Math.floor((12 * Math.log10(Number(rate) / 0.001)) / 3));
    expect(new Set(parts).size).toBeGreaterThanOrEqual(11); // two may round into one part
    for (const { rate } of choices) expect(Number(rate)).toBeGreaterThanOrEqual(0.001);
    for (const { rate } of choices) expect(Number(rate)).toBeLessThanOrEqual(1);
  });

  test('is the same for a seed, and another for another', () => {
    expect(drawChoices(SPACE, 12, 7)).toEqual(choices);
    expect(drawChoices(SPACE, 12, 8)).not.toEqual(choices);
  });

  test('numbers of trials that do not divide differ by one at most', () => {
    const counts = [3, 5, 7].map(size => drawChoices(SPACE, 10, 1).filter(choice => choice.size === size).length);
    expect(counts.sort()).toEqual([3, 3, 4]);
  });

  test('mistakes', () => {
    expect(() => drawChoices(SPACE, 0, 1)).toThrow(/at least one trial/);
    expect(() => drawChoices([{ name: 'x', values: [] }], 2, 1)).toThrow(/nothing to choose for x/);
    expect(() => drawChoices([{ name: 'x', low: 0, high: 1 }], 2, 1)).toThrow(/between 0 and 1/);
  });
});

/** Larger is better; more budget shows it more clearly. */
const score = ({ size, kind }: Choice, budget: number): number =>
  0.5 + (Number(size) / 100) * budget + (kind === 'b' ? 0.01 : 0);

describe('successive halving', () => {
  const halving = { budgets: [1, 3, 9], eta: 3 };
  const run = (calls: [number, number][] = []) =>
    successiveHalving(drawChoices(SPACE, 12, 7), halving, async (choice, { id, rung, budget }) => {
      calls.push([id, rung]);
      return { accuracy: score(choice, budget), loss: 1 - score(choice, budget), seconds: 1 };
    });

  test('one in three goes on, and it is the better ones', async () => {
    const calls: [number, number][] = [];
    const trials = await run(calls);
    expect(rungSizes(12, halving)).toEqual([12, 4, 1]);
    expect([0, 1, 2].map(rung => calls.filter(call => call[1] === rung).length)).toEqual([12, 4, 1]);
    const second = trials.filter(({ attempts }) => attempts.length > 1);
    const worst = Math.min(...second.map(({ attempts: [first] }) => first.accuracy!));
    for (const { attempts } of trials) {
      if (attempts.length === 1) expect(attempts[0].accuracy!).toBeLessThanOrEqual(worst);
    }
    const [best] = ranking(trials);
    expect(best.choice).toMatchObject({ size: 7, kind: 'b' });
    expect(best.attempts.map(({ budget }) => budget)).toEqual([1, 3, 9]);
  });

  test('the ranking goes by the rung reached, then by the accuracy there', async () => {
    const order = ranking(await run());
    const keys = order.map(({ attempts }) => attempts.length * 10 + attempts.at(-1)!.accuracy!);
    expect(keys).toEqual(keys.slice().sort((a, b) => b - a));
  });

  test('what fails does not go on, even where nothing else is left', async () => {
    const trials = await successiveHalving(drawChoices(SPACE, 6, 1), { budgets: [1, 2], eta: 2 }, async (_, { id }) =>
      id === 4
        ? { accuracy: 0.1, loss: 2, seconds: 1 }
        : { accuracy: null, loss: null, seconds: 1, failure: 'not finite' },
    );
    expect(trials.filter(({ attempts }) => attempts.length === 2).map(({ id }) => id)).toEqual([4]);
    expect(ranking(trials)[0].id).toBe(4);
  });

  test('equal accuracies: the smaller loss goes on', async () => {
    const trials = await successiveHalving(
      drawChoices(SPACE, 4, 1),
      { budgets: [1, 2], eta: 4 },
      async (_, { id }) => ({
        accuracy: 0.5,
        loss: id === 2 ? 0.9 : 1,
        seconds: 1,
      }),
    );
    expect(trials.filter(({ attempts }) => attempts.length === 2).map(({ id }) => id)).toEqual([2]);
  });

  test('mistakes', () => {
    expect(() => rungSizes(4, { budgets: [2, 2], eta: 2 })).toThrow(/grow/);
    expect(() => rungSizes(4, { budgets: [], eta: 2 })).toThrow(/grow/);
    expect(() => rungSizes(4, { budgets: [1, 2], eta: 1 })).toThrow(/more than 1/);
  });
});

describe('what each option did', () => {
  test('mean, spread and range of the trials that have it', () => {
    const trial = (id: number, size: number, accuracy: number | null) => ({
      id,
      choice: { size },
      attempts: [{ rung: 0, budget: 1, accuracy, loss: null, seconds: 1 }],
    });
    const effects = marginalEffects(
      [{ name: 'size', values: [3, 5, 7] }],
      [trial(0, 3, 0.6), trial(1, 3, 0.8), trial(2, 5, 0.5), trial(3, 5, null)],
    );
    expect(effects).toHaveLength(3);
    expect(effects[0]).toMatchObject({ option: '3', trials: 2, failed: 0, least: 0.6, greatest: 0.8 });
    expect(effects[0].mean).toBeCloseTo(0.7, 12);
    expect(effects[0].spread).toBeCloseTo(Math.sqrt(0.02), 12); // two values 0.2 apart: sd = 0.2 / sqrt(2)
    expect(effects[1]).toMatchObject({ option: '5', trials: 2, failed: 1, mean: 0.5, spread: null });
    expect(effects[2]).toMatchObject({ option: '7', trials: 0, mean: null });
  });

  test('a later rung does not count: its trials were chosen', async () => {
    const trials = await successiveHalving(
      drawChoices(SPACE, 6, 2),
      { budgets: [1, 2], eta: 2 },
      async (_, { rung }) => ({ accuracy: rung === 0 ? 0.5 : 0.9, loss: 1, seconds: 1 }),
    );
    for (const { mean } of marginalEffects(SPACE, trials)) if (mean !== null) expect(mean).toBe(0.5);
  });

  test('a range falls into three parts, its ends included', () => {
    const trials = [0.001, 0.005, 0.01001, 0.05, 0.1001, 1].map((rate, id) => ({
      id,
      choice: { rate },
      attempts: [{ rung: 0, budget: 1, accuracy: 0.5, loss: 1, seconds: 1 }],
    }));
    const effects = marginalEffects([{ name: 'rate', low: 0.001, high: 1 }], trials);
    expect(effects.map(({ option, trials: count }) => [option, count])).toEqual([
      ['0.0010 to 0.010', 2],
      ['0.010 to 0.10', 2],
      ['0.10 to 1.0', 2],
    ]);
  });
});
