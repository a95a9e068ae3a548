import { cases } from './elementwise.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('elementwise', cases);
