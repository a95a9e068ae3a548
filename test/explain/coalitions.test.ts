/** What a black box is shown: every baseline, any partition, bounded batches, nothing left behind, sentences for mistakes. */
import { describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as explain from '../../src/explain/index.ts';
import * as w from '../../src/index.ts';
import { settle } from '../support/garbage.ts';
import { plain } from './compare.ts';

const device = new ReferenceDevice();
w.setDevice(device);

/** Its digits are the pixels: 4321 is the image 1, 2, 3, 4. */
const digits = (batch: w.Tensor): w.Tensor => w.sum(w.mul(w.reshape(batch, [-1, 4]), w.tensor([1, 10, 100, 1000])), 1);
const image = w.tensor(Float32Array.of(1, 2, 3, 4), [1, 2, 2, 1]);
const players = { labels: Int32Array.of(0, 1, 1, 2), count: 3 };
const masks = Uint8Array.of(1, 1, 1, 0, 0, 0, 0, 1, 0);

describe('scores of coalitions', () => {
  test('absent players are black, a number, an image, a background in turn, or their own mean', async () => {
    const scores = (baseline?: explain.Baseline) =>
      explain.coalitionScores(digits, image, players, masks, { baseline }).then(plain);
    expect(await scores()).toEqual([4321, 0, 320]);
    expect(await scores(7)).toEqual([4321, 7777, 7327]);
    expect(await scores('own-mean')).toEqual([4321, 4251 + 25, 4321]);
    expect(await scores(w.tensor(Float32Array.of(5, 6, 7, 8), [1, 2, 2, 1]))).toEqual([4321, 8765, 8325]);
    const background = w.tensor(Float32Array.of(5, 6, 7, 8, 1, 0, 1, 0), [2, 2, 2, 1]);
    expect(await scores(background)).toEqual([4321, (8765 + 101) / 2, (8325 + 321) / 2]);
    expect(background.isDisposed).toBe(false);
  });

  test('channels of a pixel go together, with a mean each; values of a row may be players too', async () => {
    const two = w.tensor(Float32Array.of(1, 5, 3, 9), [1, 1, 2, 2]);
    const one = { labels: Int32Array.of(0, 0), count: 1 };
    expect(plain(await explain.coalitionScores(digits, two, one, Uint8Array.of(0), { baseline: 'own-mean' }))).toEqual([
      2 + 70 + 200 + 7000,
    ]);
    expect(explain.pixelPlayers(two).count).toBe(2);
    const row = w.tensor(Float32Array.of(1, 2, 3, 4), [1, 4]);
    const each = explain.pixelPlayers(row);
    expect(each.count).toBe(4);
    expect(plain(await explain.coalitionScores(digits, row, each, Uint8Array.of(1, 0, 0, 1)))).toEqual([4001]);
  });

  test('several scores per image, the same whatever the batches, which are never too large', async () => {
    const background = w.randomUniform([3, 2, 2, 1], { seed: 1 });
    const weight = w.randomNormal([4, 5], { seed: 2 });
    let largest = 0;
    const f = (batch: w.Tensor) => {
      largest = Math.max(largest, batch.shape[0]);
      return w.tanh(w.matmul(w.reshape(batch, [-1, 4]), weight));
    };
    const run = (batchSize?: number) =>
      explain.coalitionScores(f, image, players, masks, { baseline: background, batchSize });
    const whole = await run();
    expect(whole.length).toBe(3 * 5);
    for (const batchSize of [1, 2, 4, 100]) {
      largest = 0;
      expect(await run(batchSize)).toEqual(whole);
      expect(largest).toBeLessThanOrEqual(batchSize);
    }
  });

  test('no tensors are left: synchronous, asynchronous, and where the box throws', async () => {
    await settle();
    const before = w.liveTensorCount();
    await explain.coalitionScores(digits, image, players, masks, { batchSize: 1 });
    await explain.coalitionScores(async batch => digits(batch), image, players, masks, { batchSize: 2 });
    const late = async (batch: w.Tensor) => {
      const scores = digits(batch);
      await Promise.resolve();
      return scores;
    };
    expect(plain(await explain.coalitionScores(late, image, players, masks))).toEqual([4321, 0, 320]);
    const broken = (batch: w.Tensor) => {
      digits(batch);
      throw new Error('out of paper');
    };
    await expect(explain.coalitionScores(broken, image, players, masks)).rejects.toThrow('out of paper');
    const rejecting = async (batch: w.Tensor) => broken(batch);
    await expect(explain.coalitionScores(rejecting, image, players, masks)).rejects.toThrow('out of paper');
    expect(w.liveTensorCount()).toBe(before);
  });

  const run = (change: {
    f?: explain.Predict;
    image?: w.Tensor;
    players?: explain.Players;
    masks?: Uint8Array;
    baseline?: explain.Baseline;
    batchSize?: number;
  }) =>
    explain.coalitionScores(
      change.f ?? digits,
      change.image ?? image,
      change.players ?? players,
      change.masks ?? masks,
      change,
    );
  test.each([
    ['two images', { image: w.ones([2, 2, 2, 1]) }, /One image .* \[2, 2, 2, 1\]/],
    ['too few labels', { players: { labels: Int32Array.of(0, 1, 2), count: 3 } }, /3 player labels/],
    ['a label too large', { players: { labels: Int32Array.of(0, 1, 3, 2), count: 3 } }, /label is 3/],
    ['an idle player', { players: { labels: Int32Array.of(0, 2, 2, 0), count: 3 } }, /Player 1 of 3/],
    ['no players', { players: { labels: Int32Array.of(0, 0, 0, 0), count: 0 } }, /at least one player/],
    ['half a mask', { masks: Uint8Array.of(1, 0) }, /\[K, 3\]/],
    ['no masks', { masks: new Uint8Array(0) }, /\[K, 3\]/],
    ['a baseline of another size', { baseline: w.ones([1, 3, 3, 1]) }, /\[1, 3, 3, 1\] do not fit/],
    ['a baseline that is no number', { baseline: Number.NaN }, /finite number, not NaN/],
    ['a word as baseline', { baseline: 'white' as never }, /'white'/],
    ['a batch of none', { batchSize: 0 }, /batchSize/],
    ['scores of another shape', { f: (batch: w.Tensor) => w.relu(batch) }, /logits \[N, classes\]/],
    ['a score that is not finite', { f: (batch: w.Tensor) => w.log(digits(batch)) }, /-Infinity/],
  ])('%s gets a sentence', async (_, change, message) => {
    await expect(run(change)).rejects.toThrow(message);
  });
});

describe('choice of players', () => {
  const x = w.randomUniform([2, 8, 8, 1], { seed: 4 });

  test('by name, one for all, one each; images are cut by SLIC unless said otherwise', async () => {
    const [slic, own] = await explain.choosePlayers(x, { segmentCount: 9 });
    expect(slic.labels).not.toEqual(own.labels);
    const pixels = await explain.choosePlayers(x, { segments: 'pixels' });
    expect(pixels.map(({ count }) => count)).toEqual([64, 64]);
    const grid = await explain.choosePlayers(x, { segments: 'grid', segmentCount: 4 });
    expect(grid.map(({ count }) => count)).toEqual([4, 4]);
    expect(await explain.choosePlayers(x, { segments: pixels[0] })).toEqual(pixels);
    expect(await explain.choosePlayers(x, { segments: [slic, pixels[1]] })).toEqual([slic, pixels[1]]);
    const rows = await explain.choosePlayers(w.ones([3, 5]), {});
    expect(rows.map(({ count }) => count)).toEqual([5, 5, 5]);
  });

  test('that do not fit get a sentence', async () => {
    await expect(explain.choosePlayers(x, { segments: [explain.pixelPlayers(x)] })).rejects.toThrow(
      /1 partitions for 2/,
    );
    await expect(explain.choosePlayers(x, { segments: players })).rejects.toThrow(
      /4 player labels do not fit \[8, 8, 1\]/,
    );
    await expect(explain.choosePlayers(x, { segments: 'hexagons' as never })).rejects.toThrow(/hexagons/);
  });
});
