import { cases } from './health.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('health', cases);
