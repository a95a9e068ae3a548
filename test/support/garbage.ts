/** Garbage of tests before: models and tensors that were dropped are counted as living until they are collected. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Collects garbage and lets finalizers run, until `done` or `attempts` times. */
export async function collectUntil(done: () => boolean, attempts = 100): Promise<void> {
  for (let attempt = 0; attempt < attempts && !done(); attempt++) {
    collectGarbage();
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

/** Lets go of what earlier tests dropped, so that nothing but the test at hand moves the counts. */
export const settle = (): Promise<void> => collectUntil(() => false, 2);
