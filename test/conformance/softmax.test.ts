import { cases } from './softmax.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('softmax', cases);
