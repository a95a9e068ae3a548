import { cases } from './matmul.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('matmul', cases);
