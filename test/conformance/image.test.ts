import { cases } from './image.cases.ts';
import { runConformance } from './suite.ts';

await runConformance('image', cases);
