import { cases } from './layout.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('layout', cases);
