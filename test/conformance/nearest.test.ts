import { cases } from './nearest.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('nearest', cases);
