import { runConformance } from './suite.ts';
import { cases } from './umap.cases.ts';

await runConformance('umap', cases);
