/** `weft bench` alone, for the GPU host: `run.sh kernels --tune`, `run.sh kernels --show conv2d --shapes ...`. */
import { benchCommand } from '../../src/cli/bench.ts';

await benchCommand.parseAsync();
