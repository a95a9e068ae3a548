import { cases } from './rescale.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('rescale', cases);
