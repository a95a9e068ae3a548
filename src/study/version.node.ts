/** Which weft this is: part of what decides a stage's result, and of what a report says about a run. */
import { readFileSync } from 'node:fs';

/** Beside `src` and `dist` alike. */
const PACKAGE = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

export const VERSION: string = PACKAGE.version;
