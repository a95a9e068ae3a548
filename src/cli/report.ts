/** `weft report`: the page of a study once more, from what its folder holds; nothing is computed. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { DataError } from '../devices/errors.ts';
import type { Profile } from './study/profiles.ts';
import { type ReportedRun, writeReport } from './study/report.ts';
import { type Outcome, readOutcome } from './study/stage.ts';
import { STAGE_FILES } from './study/study.ts';

interface ReportOptions {
  readonly out: string;
  readonly json?: boolean;
}

/** What `weft run` keeps as config.json. */
export interface StudyConfig {
  readonly command: string;
  readonly version: string;
  readonly profile: Profile;
  readonly seed: number;
  readonly device: string;
  readonly adapter: string;
  /** The device in words. */
  readonly description: string;
}

export const reportCommand = new Command('report')
  .description("write a study's report again, from what its folder holds")
  .option('--out <dir>', 'folder of the study', join('runs', 'quick'))
  .option('--json', 'print the result as JSON on stdout')
  .action(async ({ out, json }: ReportOptions) => {
    const config = await readConfig(out);
    const outcomes = new Map<string, Outcome>();
    for (const [stage, file] of Object.entries(STAGE_FILES)) outcomes.set(stage, await readOutcome(out, stage, file));
    const run: ReportedRun = { ...config, device: config.description };
    const result = await writeReport(join(out, 'report'), join(out, 'report.html'), outcomes, run);
    if (json) console.log(JSON.stringify(result));
    else {
      for (const [title, reason] of Object.entries(result.missing)) console.log(`${title}: ${reason}`);
      console.log(`Report: ${result.report} (${(result.bytes / 1e6).toFixed(1)} MB)`);
    }
  });

/** The configuration of the study in a folder. Throws DataError where there is none. */
async function readConfig(out: string): Promise<StudyConfig> {
  try {
    const config = JSON.parse(await readFile(join(out, 'config.json'), 'utf8')) as StudyConfig;
    if (typeof config.profile === 'object' && typeof config.description === 'string') return config;
  } catch {
    // The sentence below serves for a file that is not there and for one that is no JSON.
  }
  throw new DataError(`${out} is no folder of a study (config.json); weft run makes one.`);
}
