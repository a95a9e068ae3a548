import { cases } from './likeness.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('likeness', cases);
