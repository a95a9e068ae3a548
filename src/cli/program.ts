/** All commands. One file per command; this one puts them together, runs the one that was typed and turns errors into sentences. */
import { Command, CommanderError } from 'commander';
import * as errors from '../devices/errors.ts';
import { plainLines } from '../devices/plain-text.ts';
import { benchCommand } from './bench.ts';
import { dataCommand } from './data.ts';
import { doctorCommand } from './doctor.ts';
import { evaluateCommand } from './evaluate.ts';
import { explainCommand } from './explain.ts';
import { exploreCommand } from './explore.ts';
import { exitCodeAfter, watchPipes } from './interruption.ts';
import { judgeCommand } from './judge.ts';
import { refuseRepeatedOptions } from './options.ts';
import { predictCommand } from './predict.ts';
import { reportCommand } from './report.ts';
import { robustnessCommand } from './robustness.ts';
import { runCommand } from './run.ts';
import { trainCommand } from './train.ts';
import { tuneCommand } from './tune.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Usage errors repeat what was typed or globbed. */
const OUTPUT = { writeErr: (text: string) => void process.stderr.write(plainLines(text)) };

const program = new Command('weft')
  .description('A tensor and autograd library in TypeScript, and a study of CNNs on Fashion-MNIST.')
  .showHelpAfterError('(weft --help lists what there is)')
  .configureOutput(OUTPUT)
  .exitOverride();

for (const command of [
  runCommand,
  dataCommand,
  exploreCommand,
  trainCommand,
  evaluateCommand,
  explainCommand,
  judgeCommand,
  robustnessCommand,
  predictCommand,
  tuneCommand,
  reportCommand,
  benchCommand,
  doctorCommand,
]) {
  program.addCommand(prepared(command));
}

/** A command, and those below it, with errors and repeated options as they are everywhere. */
function prepared(command: Command): Command {
  for (const below of command.commands) prepared(below);
  return refuseRepeatedOptions(command).exitOverride().configureOutput(OUTPUT);
}

watchPipes();

const SENTENCES = Object.values(errors) as (new (...args: any[]) => Error)[];

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
process.exitCode = exitCodeAfter(process.exitCode);

function report(error: unknown): number {
  // Commander has printed its sentence already; --help is no failure.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (error instanceof errors.UsageError) {
    console.error(`weft: ${plainLines(error.message)}`);
    return EXIT_USAGE;
  }
  if (SENTENCES.some(type => error instanceof type)) {
    console.error(`weft: ${plainLines((error as Error).message)}`);
    return EXIT_FAILED;
  }
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
  console.error(`weft: unexpected failure: ${plainLines(message)}`);
  console.error(process.env.WEFT_DEBUG ? stack : 'Set WEFT_DEBUG=1 to see where it happened.');
  return EXIT_FAILED;
}
