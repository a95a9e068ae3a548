import { runConformance } from './suite.ts';
import { cases } from './tsne.cases.ts';

await runConformance('tsne', cases);
