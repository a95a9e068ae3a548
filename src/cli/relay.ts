/**
 * A clean stderr for commands that load a graphics driver. Dawn and Vulkan drivers print warnings of their own there, from
 * native code that no JavaScript can hold back, so such a command runs in a process of its own: this one passes on what
 * the command says, without the driver's warnings, and passes signals and the exit code through. `--verbose` keeps the
 * warnings and needs no second process.
 */
import { spawn } from 'node:child_process';

/** Set for the process that does the work: the columns of the terminal that reads its stderr, 0 where there is none. */
const COLUMNS = 'WEFT_RELAYED_COLUMNS';
/** How Dawn ("Warning: ...") and Mesa ("WARNING: ...") begin; weft's own lines never begin so. */
const WARNING = 'warning: ';

/** Commands that load the driver unless another device is named. */
const ON_WEBGPU = ['doctor', 'bench'];

/** Whether a command line loads the driver by name (`auto` asks for it in a process of its own, see webgpu/probe.node.ts). */
export function isToBeRelayed(args: readonly string[], platform: string = process.platform): boolean {
  if (process.env[COLUMNS] !== undefined || platform === 'win32') return false;
  if (['--verbose', '--help', '-h', '--probe'].some(flag => args.includes(flag))) return false;
  const at = args.findIndex(arg => /^--device(=|$)/.test(arg));
  const device = args[at]?.includes('=') ? args[at].slice('--device='.length) : args[at + 1];
  return at < 0 ? ON_WEBGPU.includes(args[0]) : device === 'webgpu';
}

/** Runs this command line in another process and ends as it ends. */
export async function relay(): Promise<void> {
  const { stderr } = process;
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    // A group of its own: a Ctrl-C at the terminal would reach it directly and, passed on from here, a second time.
    detached: true,
    stdio: ['inherit', 'inherit', 'pipe', 'ipc'],
    env: { ...process.env, [COLUMNS]: String(stderr.isTTY ? stderr.columns : 0) },
  });
  const filter = new WarningFilter(text => void stderr.write(text));
  const complaints = child.stderr!;
  complaints.setEncoding('utf8').on('data', (text: string) => filter.take(text));
  // Nobody reads any more: neither shall anybody write.
  stderr.on('error', () => complaints.destroy());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void child.kill(signal));
  process.on('SIGTSTP', () => {
    child.kill('SIGSTOP');
    process.kill(process.pid, 'SIGSTOP');
  });
  process.on('SIGCONT', () => void child.kill('SIGCONT'));
  await new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      filter.end();
      if (signal) {
        process.removeAllListeners(signal);
        process.kill(process.pid, signal);
      }
      process.exitCode = code ?? 1;
      resolve();
    });
  });
}

/** The other end: stderr is a pipe to a process that may own a terminal, and the work ends with that process. */
export function beRelayed(): void {
  const columns = process.env[COLUMNS];
  if (columns === undefined) return;
  if (Number(columns) > 0) Object.assign(process.stderr, { isTTY: true, columns: Number(columns) });
  process.once('disconnect', () => process.kill(process.pid, 'SIGHUP'));
  // Listening must not keep a command alive that is done.
  process.channel?.unref();
}

/** Passes text on as it comes, but no line that is a driver's warning. */
export class WarningFilter {
  readonly #write: (text: string) => void;
  /** The beginning of a line that may become a warning. */
  #held = '';
  /** What the line at hand is known to be. */
  #line: 'unknown' | 'passed' | 'dropped' = 'unknown';

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  take(text: string): void {
    for (const piece of text.split(/(?<=\n)/)) {
      this.#held += piece;
      if (this.#line === 'unknown') this.#line = kindOf(this.#held);
      if (this.#line === 'passed') this.#write(this.#held);
      if (this.#line !== 'unknown') this.#held = '';
      if (piece.endsWith('\n')) this.#line = 'unknown';
    }
  }

  /** Nothing more comes. */
  end(): void {
    if (this.#held !== '') this.#write(this.#held);
    this.#held = '';
  }
}

/** What a line is by what has come of it. */
function kindOf(begun: string): 'unknown' | 'passed' | 'dropped' {
  const text = begun.toLowerCase();
  if (text.startsWith(WARNING)) return 'dropped';
  return WARNING.startsWith(text) ? 'unknown' : 'passed';
}
