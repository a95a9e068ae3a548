import { cases } from './random.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('random', cases);
