import { cases } from './pool.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('pool', cases);
