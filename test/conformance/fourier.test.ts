import { cases } from './fourier.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('fourier', cases);
