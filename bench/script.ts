/** How a measuring script of its own ends: wrong usage exits with 2, a device that cannot be had is one sentence and 1. */
import type { Command } from 'commander';
import { DeviceError, UsageError } from '../src/devices/errors.ts';

export async function runScript(program: Command): Promise<void> {
  try {
    program.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof DeviceError || error instanceof UsageError)) throw error;
    console.error(error.message);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}
