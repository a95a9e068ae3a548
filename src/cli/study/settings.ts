/** What one study is asked to do, as its stages and its report know it. */
import { readFileSync } from 'node:fs';
import type { Profile } from './profiles.ts';

export interface StudyOptions {
  readonly profile: Profile;
  readonly seed: number;
  /** Where the data is, if named. */
  readonly data?: string;
  /** A folder of pictures from elsewhere; default: those of this package. */
  readonly photos?: string;
  /** The run's folder. */
  readonly out: string;
  /** The command that gives this study again. */
  readonly command: string;
}

/** Beside `src` and `dist` alike. */
const PACKAGE = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

export const VERSION: string = PACKAGE.version;
