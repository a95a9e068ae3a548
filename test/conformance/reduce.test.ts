import { cases } from './reduce.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('reduce', cases);
