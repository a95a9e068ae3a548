/** The engine of `weft run` on toy stages: what is skipped, what is done again, what goes on without what failed. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { Interrupted } from '../../src/study/session.ts';
import { isDone, type RunStagesOptions, runStages, type Stage, type StageWork } from '../../src/study/stage.node.ts';
import { canonicalJson, fingerprint } from '../../src/study/stamp.node.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-stages-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let out: string;
let ran: string[];
let number = 0;
beforeEach(() => {
  out = join(folder, String(number++));
  ran = [];
});

interface Toy extends Partial<Stage> {
  readonly name: string;
  readonly value?: unknown;
  readonly work?: (work: StageWork) => unknown;
}

/** A stage that notes that it ran and writes `value` as its result. */
function toy({ name, value = name, work, ...rest }: Toy): Stage {
  return {
    name,
    inputs: () => value,
    result: 'result.json',
    async run(given) {
      ran.push(name);
      await work?.(given);
      await mkdir(given.out, { recursive: true });
      await writeFile(join(given.out, 'result.json'), JSON.stringify(value));
    },
    ...rest,
  };
}

const states = async (stages: readonly Stage[], options: Partial<RunStagesOptions> = {}) =>
  Object.fromEntries([...(await runStages(stages, { out, ...options }))].map(([name, { state }]) => [name, state]));

const logLines = () =>
  readFileSync(join(out, 'log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));

const chain = (values: { a?: unknown; b?: unknown; c?: unknown } = {}): Stage[] => [
  toy({ name: 'a', value: values.a ?? 1 }),
  toy({ name: 'b', value: values.b ?? 2, needs: ['a'] }),
  toy({ name: 'c', value: values.c ?? 3 }),
];

test('values that are equal have one fingerprint', () => {
  expect(canonicalJson({ b: [1, { d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[1,{"c":2,"d":1}]}');
  expect(fingerprint({ a: 1, b: 2 })).toBe(fingerprint({ b: 2, a: 1 }));
  expect(fingerprint({ a: 1 })).not.toBe(fingerprint({ a: 2 }));
  expect(fingerprint(Uint8Array.of(97))).not.toBe(fingerprint('a'));
});

describe('what is done is not done again', () => {
  test('a second run changes nothing and still gives the results', async () => {
    expect(await states(chain())).toEqual({ a: 'done', b: 'done', c: 'done' });
    expect(ran).toEqual(['a', 'b', 'c']);
    const again = await runStages(chain(), { out });
    expect([...again.values()].map(({ state }) => state)).toEqual(['unchanged', 'unchanged', 'unchanged']);
    expect([...again.values()].map(({ result }) => result)).toEqual([1, 2, 3]);
    expect(ran).toHaveLength(3);
    expect(logLines().filter(({ event }) => event === 'run')).toHaveLength(2);
    expect(logLines().filter(({ event, state }) => event === 'stage' && state === 'unchanged')).toHaveLength(3);
  });

  test('other inputs repeat the stage and what reads a result that changed', async () => {
    await states(chain());
    expect(await states(chain({ a: 10 }))).toEqual({ a: 'done', b: 'done', c: 'unchanged' });
    expect(await states(chain({ a: 10, b: 20 }))).toEqual({ a: 'unchanged', b: 'done', c: 'unchanged' });
  });

  test('forced: one, all, and none that does not exist', async () => {
    await states(chain());
    // The same result as before, so what reads it stays.
    expect(await states(chain(), { force: ['a'] })).toEqual({ a: 'done', b: 'unchanged', c: 'unchanged' });
    expect(await states(chain(), { force: 'all' })).toEqual({ a: 'done', b: 'done', c: 'done' });
    await expect(states(chain(), { force: ['d'] })).rejects.toThrow(/no stage "d".*a, b, c/);
  });

  test('only what a stage passes on makes others run again', async () => {
    let noise = 0;
    const stages = () => [
      toy({
        name: 'a',
        products: ['result.json', 'figures'],
        passesOn: ['result.json'],
        work: async ({ out: own }) => {
          await mkdir(join(own, 'figures'), { recursive: true });
          await writeFile(join(own, 'figures', 'noise.txt'), String(noise++));
        },
      }),
      toy({ name: 'b', needs: ['a'] }),
    ];
    await states(stages());
    expect(await states(stages(), { force: ['a'] })).toEqual({ a: 'done', b: 'unchanged' });
    rmSync(join(out, 'a', 'figures', 'noise.txt'));
    expect(await states(stages())).toEqual({ a: 'done', b: 'unchanged' });
  });

  test.each([
    ['a product is missing', () => rmSync(join(out, 'a', 'result.json'))],
    ['a product was changed', () => writeFileSync(join(out, 'a', 'result.json'), '99')],
    ['the stamp was cut off', () => writeFileSync(join(out, 'a', 'stage.json'), '{"format":"weft-stage-1","sta')],
    ['the stamp is no stamp', () => writeFileSync(join(out, 'a', 'stage.json'), '{}')],
    [
      "the stamp is another stage's",
      () => writeFileSync(join(out, 'a', 'stage.json'), readFileSync(join(out, 'c', 'stage.json'))),
    ],
  ])('%s: done again', async (_, damage) => {
    await states(chain());
    damage();
    ran = [];
    expect(await states(chain())).toEqual({ a: 'done', b: 'unchanged', c: 'unchanged' });
    expect(ran).toEqual(['a']);
    expect(readFileSync(join(out, 'a', 'result.json'), 'utf8')).toBe('1');
  });

  test("a folder with somebody else's files is left alone", async () => {
    await mkdir(join(out, 'a'), { recursive: true });
    await writeFile(join(out, 'a', 'thesis.txt'), 'mine');
    const outcomes = await runStages(chain(), { out });
    expect(outcomes.get('a')).toMatchObject({ state: 'failed', message: expect.stringMatching(/not of a stage/) });
    expect(existsSync(join(out, 'a', 'thesis.txt'))).toBe(true);
  });
});

describe('a stage that fails', () => {
  const failing = (fails: boolean): Stage[] => [
    toy({
      name: 'a',
      work: () => {
        if (fails) throw new Error('The disk is full.\n    at somewhere:1:1');
      },
    }),
    toy({ name: 'b', needs: ['a'] }),
    toy({ name: 'c' }),
    toy({ name: 'either', needs: [['a', 'c']] }),
    toy({ name: 'report', uses: ['a', 'b', 'c'] }),
  ];

  test('says so in one sentence; what does not need it goes on', async () => {
    const notes: string[] = [];
    const outcomes = await runStages(failing(true), { out, note: text => notes.push(text) });
    expect([...outcomes.values()].map(({ state }) => state)).toEqual(['failed', 'not run', 'done', 'done', 'done']);
    expect(outcomes.get('a')!.message).toBe('The disk is full.');
    expect(outcomes.get('b')!.message).toBe('it needs a, which failed.');
    expect([...outcomes.values()].map(isDone)).toEqual([false, false, true, true, true]);
    expect(notes).toContain('a: FAILED: The disk is full.');
    expect(logLines().find(({ stage, state }) => stage === 'a' && state === 'failed').message).toBe(
      'The disk is full.',
    );
  });

  test('is tried again, and then what needs or shows it runs too', async () => {
    await states(failing(true));
    ran = [];
    expect(await states(failing(false))).toEqual({
      a: 'done',
      b: 'done',
      c: 'unchanged',
      either: 'done',
      report: 'done',
    });
    expect(ran).toEqual(['a', 'b', 'either', 'report']);
  });

  test('inputs that cannot be had are a failure of the stage', async () => {
    const stages = [
      toy({
        name: 'a',
        inputs: () => {
          throw new Error('No data.');
        },
      }),
    ];
    expect(await states(stages)).toEqual({ a: 'failed' });
  });

  test('a stage that reads a later one is a mistake of the list', async () => {
    await expect(states([toy({ name: 'a', needs: ['b'] }), toy({ name: 'b' })])).rejects.toThrow(/does not stand/);
  });
});

describe('a run that is cut off', () => {
  /** Adds a line to a file on each of three steps and stops after `steps` of them. */
  const counting = (steps: number, controller?: AbortController, value = 1): Stage[] => [
    toy({ name: 'first' }),
    toy({
      name: 'slow',
      value,
      work: async ({ out: own, goesOn }) => {
        const file = join(own, 'steps.txt');
        let done = goesOn ? Number(await readFile(file, 'utf8').catch(() => '0')) : 0;
        for (let step = 0; step < steps && done < 3; step++) {
          await writeFile(file, String(++done));
          ran.push(`step ${done}`);
        }
        if (done < 3) {
          controller?.abort();
          throw controller ? new Interrupted('stopped') : new Error('killed');
        }
      },
    }),
    toy({ name: 'last', needs: ['slow'] }),
  ];

  test('by a signal: it goes on where it was', async () => {
    const controller = new AbortController();
    await expect(runStages(counting(2, controller), { out, signal: controller.signal })).rejects.toThrow(Interrupted);
    expect(ran).toEqual(['first', 'slow', 'step 1', 'step 2']);
    expect(logLines().at(-1)).toMatchObject({ event: 'interrupted', stage: 'slow' });
    ran = [];
    expect(await states(counting(9))).toEqual({ first: 'unchanged', slow: 'done', last: 'done' });
    expect(ran).toEqual(['slow', 'step 3', 'last']);
    expect(JSON.parse(readFileSync(join(out, 'slow', 'stage.json'), 'utf8'))).toMatchObject({ attempts: 2 });
  });

  test('with other inputs, or forced, it begins anew', async () => {
    await states(counting(2));
    ran = [];
    await states(counting(9, undefined, 2));
    expect(ran.slice(0, 2)).toEqual(['slow', 'step 1']);
    await rmSync(out, { recursive: true });
    await states(counting(2));
    ran = [];
    await states(counting(9), { force: ['slow'] });
    expect(ran.slice(0, 2)).toEqual(['slow', 'step 1']);
  });

  test('between stages: what was done stays done', async () => {
    const controller = new AbortController();
    const stages = [toy({ name: 'a', work: () => controller.abort() }), toy({ name: 'b' })];
    await expect(runStages(stages, { out, signal: controller.signal })).rejects.toThrow(/stage b/);
    expect(await states(stages)).toEqual({ a: 'unchanged', b: 'done' });
  });
});
