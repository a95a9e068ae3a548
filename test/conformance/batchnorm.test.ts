import { cases } from './batchnorm.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('batchnorm', cases);
