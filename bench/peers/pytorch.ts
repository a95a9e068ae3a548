/**
 * PyTorch in a process of its own, which takes its turn when it is asked for samples and waits otherwise. It makes its own
 * values, so results are not compared.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Contender, Missing } from '../contender.ts';
import type { Operation } from '../operations.ts';
import type { Peer, PeerOptions, PeerSession } from './peer.ts';

const SCRIPT = fileURLToPath(new URL('../torch_baseline.py', import.meta.url));
/** WEFT_PYTHON, whatever is called python3, and the system's own, which may be another. */
const interpreters = (): string[] => [...new Set([process.env.WEFT_PYTHON ?? 'python3', '/usr/bin/python3'])];

const START_SECONDS = 60;
const ANSWER_SECONDS = 120;
/** OpenMP's threads spin for a while after their last work; the next contender shall not pay for that. */
const SETTLE_MILLISECONDS = 30;

export const pytorchPeer: Peer = {
  name: 'pytorch',
  async open(options) {
    const reasons: string[] = [];
    for (const interpreter of interpreters()) {
      try {
        return await Session.start(interpreter, options);
      } catch (error) {
        reasons.push((error as Error).message);
      }
    }
    throw new Missing(`not installed for any python3 (${[...new Set(reasons)].join('; ')})`);
  },
};

type Answer = { readonly description: string } | { readonly samples: number[] } | { readonly error: string };

class Session implements PeerSession {
  description = 'PyTorch';
  readonly #process: ChildProcess;
  #waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined;
  #lastWords = '';
  #ended: string | undefined;

  private constructor(interpreter: string, threads: number) {
    this.#process = spawn(interpreter, [SCRIPT, '--serve', '--threads', String(threads)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      // OpenBLAS reads its own.
      env: { ...process.env, OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) },
    });
    this.#process.on('error', error => this.#end(error.message));
    this.#process.on('exit', () => this.#end(this.#lastWords || 'the process ended'));
    this.#process.stdin!.on('error', () => {}); // its end is reported by 'exit'
    this.#process.stderr!.on('data', chunk => {
      const lines = String(chunk).trim().split('\n');
      this.#lastWords = lines[lines.length - 1];
    });
    createInterface({ input: this.#process.stdout! }).on('line', line => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      try {
        waiting?.resolve(JSON.parse(line));
      } catch {
        waiting?.reject(new Error(`PyTorch's process said "${line}"`));
      }
    });
  }

  static async start(interpreter: string, { threads }: PeerOptions): Promise<Session> {
    const session = new Session(interpreter, threads);
    const answer = await session.#receive(START_SECONDS);
    if ('description' in answer) session.description = answer.description;
    return session;
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    this.#waiting?.reject(new Error(this.#ended));
    this.#waiting = undefined;
  }

  #receive(seconds: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(new Error(this.#ended));
        return;
      }
      const late = setTimeout(() => {
        this.#process.kill();
        this.#end(`no answer within ${seconds} s`);
      }, 1e3 * seconds);
      const settle = (): void => {
        clearTimeout(late);
        this.#waiting = undefined;
      };
      this.#waiting = {
        resolve: answer => {
          settle();
          resolve(answer);
        },
        reject: error => {
          settle();
          reject(error);
        },
      };
    });
  }

  async #ask(request: object): Promise<number[]> {
    const answer = this.#receive(ANSWER_SECONDS);
    this.#process.stdin!.write(`${JSON.stringify(request)}\n`);
    const received = await answer;
    if ('samples' in received) return received.samples;
    throw new Error('error' in received ? received.error : 'PyTorch answered something else');
  }

  async prepare(operation: Operation): Promise<Contender> {
    const sample = async (seconds: number): Promise<number[]> => {
      const samples = await this.#ask({ operation, seconds });
      await new Promise(resolve => setTimeout(resolve, SETTLE_MILLISECONDS));
      return samples;
    };
    return {
      async warmUp(seconds) {
        await sample(seconds);
      },
      sample,
      dispose: async () => {
        if (this.#ended === undefined) await this.#ask({ drop: operation });
      },
    };
  }

  async close(): Promise<void> {
    this.#process.stdin!.end();
    this.#process.kill();
  }
}
