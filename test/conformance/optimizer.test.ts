import { cases } from './optimizer.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('optimizer', cases);
