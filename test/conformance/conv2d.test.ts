import { cases } from './conv2d.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('conv2d', cases);
