/** `weft report`: the page of a study once more, from what its folder holds; nothing is computed. */
import { join } from 'node:path';
import { Command } from 'commander';
import { plainJson, plainLines, plainText } from '../devices/plain-text.ts';
import { rewriteReport } from '../report/index.node.ts';

interface ReportOptions {
  readonly out: string;
  readonly json?: boolean;
}

export const reportCommand = new Command('report')
  .description("write a study's report again, from what its folder holds")
  .option('--out <dir>', 'folder of the study', join('runs', 'quick'))
  .option('--json', 'print the result as JSON on stdout')
  .action(async ({ out, json }: ReportOptions) => {
    const result = await rewriteReport(out);
    if (json) console.log(plainJson(result));
    else {
      for (const [title, reason] of Object.entries(result.missing)) console.log(plainLines(`${title}: ${reason}`));
      console.log(plainText(`Report: ${result.report} (${(result.bytes / 1e6).toFixed(1)} MB)`));
    }
  });
