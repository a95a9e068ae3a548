#!/usr/bin/env node
/** The command line: `weft <command>`. Commands on webgpu run in a process whose stderr is filtered; all others right here. */
import { beRelayed, isToBeRelayed, relay } from './relay.ts';

if (isToBeRelayed(process.argv.slice(2))) await relay();
else {
  beRelayed();
  await import('./program.ts');
}
