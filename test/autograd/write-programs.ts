/** Prints the programs of the fixed corpus, for expected-programs.py to put PyTorch's values beside. */
import { randomGraph, randomNetwork } from './program-generator.ts';

const COUNT = 60;
for (let seed = 0; seed < COUNT; seed++) {
  console.log(JSON.stringify(randomNetwork(1000 + seed)));
  console.log(JSON.stringify(randomGraph(2000 + seed)));
}
