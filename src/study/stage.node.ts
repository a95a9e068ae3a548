/**
 * A study as stages, each in its own folder: what is done and unchanged is skipped, what was cut off goes on, what fails
 * says so in one sentence while everything that does not need it goes on. A stage is done when its stamp says so (see
 * stamp.node.ts), which is written last; so a process killed at any moment leaves stages that are done, one that was begun,
 * and nothing in between.
 */

import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../devices/errors.ts';
import { unwritable } from '../train/atomic-file.node.ts';
import { Interrupted } from './session.ts';
import { clearStage, fingerprint, lostProduct, productSums, readStamp, type Stamp, writeStamp } from './stamp.node.ts';

/** What a stage is given when it runs. */
export interface StageWork {
  /** Its folder, which exists. */
  readonly out: string;
  /** An earlier attempt with the same inputs was cut off; what it left is still in the folder. */
  readonly goesOn: boolean;
  /** What has become of the stages before it. */
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

export interface Stage {
  /** Also the name of its folder. */
  readonly name: string;
  /** Stages whose results it reads; of a list of several, one is enough. */
  readonly needs?: readonly (string | readonly string[])[];
  /** Stages that it looks at, whatever has become of them. */
  readonly uses?: readonly string[];
  /** Everything besides the stages before it that decides its result, as plain JSON; may fail like the stage itself. */
  readonly inputs: () => unknown;
  /** The file in its folder that holds its result as JSON. */
  readonly result: string;
  /** Files and folders that must be there when it is done. Default: all. */
  readonly products?: readonly string[];
  /** Those of the products that later stages depend on. Default: all of them. */
  readonly passesOn?: readonly string[];
  /** Does the work and writes it into the folder; throws to fail, Interrupted when a signal stopped it. */
  run(work: StageWork): Promise<unknown>;
}

export type StageState = 'done' | 'unchanged' | 'failed' | 'not run';

export interface Outcome {
  readonly stage: string;
  readonly state: StageState;
  /** Of the work itself, also where it was done by an earlier command. */
  readonly seconds: number;
  /** Why it failed or was not run, in one sentence. */
  readonly message?: string;
  /** What its result file holds, where it is done. */
  readonly result?: unknown;
  readonly output?: string;
}

export interface RunStagesOptions {
  /** The run's folder. */
  readonly out: string;
  /** Stages to repeat from the start, or all. */
  readonly force?: readonly string[] | 'all';
  readonly signal?: AbortSignal;
  /** Says what happens, as lines for a person. */
  readonly note?: (text: string) => void;
  /** Further contents of the log's first line. */
  readonly about?: object;
}

/** Whether a stage's result can be read. */
export const isDone = (outcome: Outcome | undefined): boolean =>
  outcome?.state === 'done' || outcome?.state === 'unchanged';

/**
 * Runs stages in their order and writes a line of `log.jsonl` for each.
 *
 * @returns what became of each stage, in order
 * @throws Interrupted when the signal stopped it; the stages before are done
 * @throws UsageError for a forced stage that does not exist, or one that needs a stage that does not stand before it
 */
export async function runStages(stages: readonly Stage[], options: RunStagesOptions): Promise<Map<string, Outcome>> {
  const { out, force = [], signal, note = () => {} } = options;
  checkStages(stages, force);
  const log = async (event: object): Promise<void> => {
    const path = join(out, 'log.jsonl');
    try {
      await mkdir(out, { recursive: true });
      await appendFile(path, `${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);
    } catch (error) {
      throw unwritable(path, error);
    }
  };
  await log({ event: 'run', ...options.about });
  const outcomes = new Map<string, Outcome>();
  for (const stage of stages) {
    if (signal?.aborted) throw await stopped(stage.name);
    const outcome = await runStage(stage, outcomes, { ...options, log, isForced: isForced(stage.name), note });
    if (outcome === 'interrupted') throw await stopped(stage.name);
    outcomes.set(stage.name, outcome);
    const { state, seconds, message } = outcome;
    await log({ event: 'stage', stage: stage.name, state, seconds, message });
  }
  return outcomes;

  function isForced(name: string): boolean {
    return force === 'all' || force.includes(name);
  }

  async function stopped(name: string): Promise<Interrupted> {
    await log({ event: 'interrupted', stage: name });
    return new Interrupted(`Stopped in the stage ${name}; what is done lies in ${out}.`);
  }
}

/** @throws UsageError for a forced stage that does not exist, or one that needs a stage that does not stand before it */
export function checkStages(stages: readonly Stage[], force: readonly string[] | 'all' = []): void {
  const known = new Set<string>();
  for (const { name, needs = [], uses = [] } of stages) {
    const missing = [...needs.flat(), ...uses].find(one => !known.has(one));
    if (missing !== undefined)
      throw new UsageError(`The stage ${name} reads ${missing}, which does not stand before it.`);
    known.add(name);
  }
  const unknown = force === 'all' ? undefined : force.find(name => !known.has(name));
  if (unknown !== undefined) {
    throw new UsageError(`There is no stage "${unknown}" to repeat; choose from ${[...known].join(', ')}.`);
  }
}

interface StageOptions extends RunStagesOptions {
  readonly log: (event: object) => Promise<void>;
  readonly isForced: boolean;
  readonly note: (text: string) => void;
}

async function runStage(
  stage: Stage,
  outcomes: ReadonlyMap<string, Outcome>,
  { out, signal, note, log, isForced }: StageOptions,
): Promise<Outcome | 'interrupted'> {
  const { name } = stage;
  const folder = join(out, name);
  const lacking = missingNeed(stage, outcomes);
  if (lacking) {
    note(`${name}: not run; ${lacking}`);
    return { stage: name, state: 'not run', seconds: 0, message: lacking };
  }
  const began = performance.now();
  const seconds = (): number => Math.round((performance.now() - began) / 10) / 100;
  let begun: Stamp | undefined;
  try {
    const inputs = fingerprint({ own: await stage.inputs(), read: whatItReads(stage, outcomes) });
    const before = await readStamp(folder);
    const isSame = !isForced && before?.stage === name && before.inputs === inputs;
    if (isSame && before.state === 'done') {
      const lost = await lostProduct(folder, before);
      if (lost === undefined) {
        const result = JSON.parse(await readFile(join(folder, stage.result), 'utf8')) as unknown;
        note(`${name}: unchanged`);
        return { stage: name, state: 'unchanged', seconds: before.seconds, result, output: before.output };
      }
      note(`${name}: ${lost} is missing or was changed; it is done again`);
    }
    const goesOn = isSame && before.state === 'begun';
    if (!goesOn) await clearStage(folder);
    await mkdir(folder, { recursive: true });
    begun = await writeStamp(folder, {
      stage: name,
      state: 'begun',
      inputs,
      seconds: goesOn ? before.seconds : 0,
      attempts: (goesOn ? before.attempts : 0) + 1,
      products: {},
      output: '',
    });
    await log({ event: 'begin', stage: name, attempt: begun.attempts });
    note(`${name}: ${goesOn ? 'goes on where it was cut off' : 'begins'}`);
    await stage.run({ out: folder, goesOn, outcomes });
    const result = JSON.parse(await readFile(join(folder, stage.result), 'utf8')) as unknown;
    const products = await productSums(folder, stage.products ?? ['.']);
    const passed = stage.passesOn ? await productSums(folder, stage.passesOn) : products;
    const output = fingerprint(passed);
    const total = begun.seconds + seconds();
    await writeStamp(folder, { ...begun, state: 'done', seconds: total, products, output });
    note(`${name}: done in ${total.toFixed(1)} s`);
    return { stage: name, state: 'done', seconds: total, result, output };
  } catch (error) {
    const isStopped = error instanceof Interrupted || signal?.aborted === true;
    if (begun) await writeStamp(folder, { ...begun, seconds: begun.seconds + seconds() }).catch(() => {});
    if (isStopped) return 'interrupted';
    if (process.env.WEFT_DEBUG && error instanceof Error) note(String(error.stack));
    const message = sentence(error);
    note(`${name}: FAILED: ${message}`);
    return { stage: name, state: 'failed', seconds: seconds(), message };
  }
}

/** What has become of a stage, read from its folder. */
export async function readOutcome(out: string, stage: string, file: string): Promise<Outcome> {
  const folder = join(out, stage);
  const stamp = await readStamp(folder);
  const lost = stamp?.state === 'done' ? await lostProduct(folder, stamp) : undefined;
  if (stamp?.state !== 'done' || lost !== undefined) {
    const why = !stamp ? 'there is nothing of it' : lost === undefined ? 'it was not finished' : `${lost} is missing`;
    return { stage, state: 'not run', seconds: stamp?.seconds ?? 0, message: `${why}.` };
  }
  const result = JSON.parse(await readFile(join(folder, file), 'utf8')) as unknown;
  return { stage, state: 'unchanged', seconds: stamp.seconds, result, output: stamp.output };
}

/** Why a stage cannot run, in one sentence. */
function missingNeed({ needs = [] }: Stage, outcomes: ReadonlyMap<string, Outcome>): string | undefined {
  for (const need of needs) {
    const names = typeof need === 'string' ? [need] : need;
    if (names.some(name => isDone(outcomes.get(name)))) continue;
    const what = names.map(
      name => `${name}, which ${outcomes.get(name)?.state === 'failed' ? 'failed' : 'was not run'}`,
    );
    return `it needs ${what.join(', or ')}.`;
  }
  return undefined;
}

/** The results before a stage, as far as they can change its own. */
function whatItReads({ needs = [], uses = [] }: Stage, outcomes: ReadonlyMap<string, Outcome>): Record<string, string> {
  const names = [...new Set([...needs.flat(), ...uses])];
  return Object.fromEntries(
    names.map(name => {
      const { output, state, message = '' } = outcomes.get(name)!;
      return [name, output ?? `${state}: ${message}`];
    }),
  );
}

function sentence(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).split('\n')[0].trim();
  return text === '' ? 'It failed without a word.' : text;
}
