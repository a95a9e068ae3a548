/** Commands that load a graphics driver run behind a process that passes on everything but the driver's warnings. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { isToBeRelayed, WarningFilter } from '../../src/cli/relay.ts';

const RELAY = fileURLToPath(new URL('../../src/cli/relay.ts', import.meta.url));

test('only what loads the driver by name is relayed, and nothing under --verbose', () => {
  const relayed = (line: string, platform = 'linux') => isToBeRelayed(line.split(' '), platform);
  for (const line of [
    'train --device webgpu',
    'evaluate --device=webgpu --json',
    'doctor',
    'doctor --json',
    'bench --show matmul',
  ]) {
    expect(relayed(line), line).toBe(true);
    expect(relayed(`${line} --verbose`), line).toBe(false);
    expect(relayed(line, 'win32'), line).toBe(false);
  }
  for (const line of [
    'train',
    'train --device wasm',
    'doctor --probe',
    'bench --device wasm',
    'train --device webgpu --help',
    'run --title webgpu',
  ]) {
    expect(relayed(line), line).toBe(false);
  }
});

test('warnings are dropped however the text is cut, everything else passes at once', () => {
  const text = 'Warning: one\nkept Warning: inside\nWARNING: lavapipe\n\nWarn\nprogress 1\rprogress 2';
  const expected = 'kept Warning: inside\n\nWarn\nprogress 1\rprogress 2';
  for (let size = 1; size <= text.length; size++) {
    let passed = '';
    const filter = new WarningFilter(piece => {
      passed += piece;
    });
    for (let i = 0; i < text.length; i += size) filter.take(text.slice(i, i + size));
    expect(passed, `pieces of ${size}`).toBe(expected);
    filter.end();
  }
  let passed = '';
  const filter = new WarningFilter(piece => {
    passed += piece;
  });
  filter.take('warn');
  expect(passed).toBe('');
  filter.end();
  expect(passed).toBe('warn');
});

/** A program behind a relay: `body` is what runs on the far side. */
function start(body: string) {
  const folder = mkdtempSync(join(tmpdir(), 'weft-relay-'));
  const program = join(folder, 'program.mts');
  writeFileSync(
    program,
    `import { appendFileSync } from 'node:fs';
     import { beRelayed, isToBeRelayed, relay } from ${JSON.stringify(RELAY)};
     const say = (text: string) => appendFileSync(${JSON.stringify(join(folder, 'said'))}, text + '\\n');
     if (isToBeRelayed(process.argv.slice(2), 'linux')) await relay();
     else { beRelayed(); ${body} }`,
  );
  const args = ['--import', import.meta.resolve('tsx'), program, '--device', 'webgpu'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) child[name].on('data', data => (output[name] += data));
  const ended = new Promise<{ code: number | null; signal: string | null }>(resolve =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  );
  const said = () => {
    try {
      return readFileSync(join(folder, 'said'), 'utf8');
    } catch {
      return '';
    }
  };
  return { child, output, ended, said };
}

test('output, exit code and a fatal signal are those of the command', async () => {
  const { output, ended } = start(
    `console.log('result'); console.error('Warning: driver'); console.error('kept'); process.exitCode = 3;`,
  );
  expect(await ended).toEqual({ code: 3, signal: null });
  expect(output).toEqual({ stdout: 'result\n', stderr: 'kept\n' });
  const killed = start(`process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 1000);`);
  expect(await killed.ended).toEqual({ code: null, signal: 'SIGKILL' });
}, 30_000);

test('a signal reaches the command once, and a relay that is killed takes it along', async () => {
  const waiting = `process.on('SIGINT', () => say('SIGINT')); process.on('SIGHUP', () => { say('SIGHUP'); process.exit(0); });
    say('ready'); setTimeout(() => process.exit(0), 20_000);`;
  const { child, said, ended } = start(waiting);
  await vi.waitFor(() => expect(said()).toBe('ready\n'), 20_000);
  child.kill('SIGINT');
  await vi.waitFor(() => expect(said()).toBe('ready\nSIGINT\n'), 5_000);
  child.kill('SIGKILL');
  await vi.waitFor(() => expect(said()).toBe('ready\nSIGINT\nSIGHUP\n'), 5_000);
  expect(await ended).toEqual({ code: null, signal: 'SIGKILL' });
}, 60_000);
