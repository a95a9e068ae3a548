/** Gates are made of rows and contenders that exist, and are judged by what was measured. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kernelCases } from '../../bench/cases/index.ts';
import { GATES, judge, WEBGPU_GATES } from '../../bench/gates.ts';
import { inferenceForms } from '../../bench/networks/inference.ts';
import { peers, peersOf } from '../../bench/peers/index.ts';
import { describeMachine, type Results, type Row, resultFileName, writeResults } from '../../bench/results.ts';
import { absences, gatesTable, groupTable } from '../../bench/table.ts';
import { isJudgedByTriad, TRIAD } from '../../bench/triad.ts';
import type { Device } from '../../src/devices/device.ts';

const NETWORK_ROWS = [
  ...['cnn', 'mini-resnet'].flatMap(name => [`${name} train 128`, `${name} infer 128`]),
  'cnn infer 1',
];

const row = (id: string, timings: Record<string, number>, extra: Partial<Row> = {}): Row => ({
  id,
  group: 'g',
  flops: 2e9,
  bytes: 12e6,
  footprint: 12e6,
  outcomes: Object.entries(timings).map(([contender, median]) => ({
    contender,
    timing: { median, min: median, p90: median, samples: 9 },
  })),
  ...extra,
});

const results = (rows: readonly Row[], extra: Partial<Results> = {}): Results => ({
  date: '2026-11-22T10:00:00.000Z',
  machine: describeMachine(),
  device: { kind: 'wasm', adapter: 'wasm v8-1.2', description: 'test' },
  threads: 2,
  quick: false,
  peers: [],
  rows,
  gates: [],
  ...extra,
});

const CEILINGS: Results['ceilings'] = {
  caches: { level2: 1, level3: 1, source: 'assumed' },
  arithmetic: [{ threads: 2, separate: 67 }],
  memory: [{ threads: 2, walk: 'triad', footprint: 12e6, rate: 50 }],
};

const verdictOf = (what: string, measured: Results): ReturnType<typeof judge>[number] =>
  judge(measured).find(one => one.what === what)!;

describe('every gate', () => {
  const ids = new Set([...kernelCases.map(({ id }) => id), ...NETWORK_ROWS]);
  const forms = inferenceForms({ kind: 'infer', network: 'cnn', batch: 1 }, { kind: 'wasm' } as Device).map(
    ({ name }) => name,
  );
  const names = new Set(['weft', TRIAD, ...forms, ...[...peers, ...peersOf('webgpu')].map(({ name }) => name)]);

  it('of the triad has rows that the triad is timed with', () => {
    const judged = new Set(kernelCases.filter(isJudgedByTriad).map(({ id }) => id));
    const rows = GATES.filter(({ contenders }) => contenders.includes(TRIAD)).flatMap(({ rows }) => rows);
    expect(rows.length).toBeGreaterThan(10);
    expect(rows.filter(id => !judged.has(id))).toEqual([]);
  });

  it.each([...GATES, ...WEBGPU_GATES])('$what is made of rows and contenders that exist', ({ rows, contenders }) => {
    expect(rows.filter(id => !ids.has(id))).toEqual([]);
    expect(contenders.filter(name => !names.has(name))).toEqual([]);
  });

  it('is not met by an empty run', () => {
    const verdicts = judge(results([]));
    expect(verdicts).toHaveLength(GATES.length);
    expect(new Set(verdicts.map(({ verdict }) => verdict))).toEqual(new Set(['not measured']));
  });
});

describe('verdicts', () => {
  it('of throughput: 2 GFLOP in 20, 18.5 and 22 ms', () => {
    const at = (ms: number) => verdictOf('matmul 1024', results([row('matmul 1024', { 'weft wasm': ms })])).verdict;
    expect([20, 18.1, 22].map(at)).toEqual(['gate', 'goal', 'missed']);
  });

  it('beside an absolute figure stands what the ceiling makes of it', () => {
    const measured = results([row('matmul 1024', { 'weft wasm': 40 })], { ceilings: CEILINGS });
    // 50 GFLOP/s where 67 is the most are 100 where 134 is.
    expect(verdictOf('matmul 1024', measured)).toMatchObject({
      measured: '50 GFLOP/s (100 GFLOP/s at a peak of 134)',
      verdict: 'missed',
    });
  });

  it('of ratios: the peer over ours, and ours over PyTorch', () => {
    const rows = [
      row('matmul 1024', { 'weft wasm': 10, 'tfjs-wasm': 21.9 }),
      row('cnn train 128', { 'weft wasm': 100, pytorch: 60 }),
      row('mini-resnet train 128', { 'weft wasm': 200, pytorch: 180 }),
    ];
    expect(verdictOf('matmul 1024 against tfjs-wasm', results(rows))).toMatchObject({ goal: '-', verdict: 'missed' });
    expect(verdictOf('CNN training step over PyTorch', results(rows)).verdict).toBe('gate');
    expect(verdictOf('MiniResNet training step over PyTorch', results(rows)).verdict).toBe('no gate');
  });

  it('of inference: the compiled form over ONNX Runtime, not the plain call', () => {
    const what = 'CNN inference, compiled, over ONNX Runtime';
    const times = { 'weft wasm': 30, 'weft wasm/captured': 29, 'weft wasm/compiled': 22, onnxruntime: 20 };
    expect(verdictOf(what, results([row('cnn infer 128', times)]))).toMatchObject({
      measured: '1.10x (22.0 ms against 20.0 ms)',
      verdict: 'gate',
    });
    const plain = row('cnn infer 128', { 'weft wasm': 10, onnxruntime: 20 });
    expect(verdictOf(what, results([plain])).measured).toBe('weft wasm/compiled: not asked for');
  });

  it('of the triad: the worst row counts, and all are needed', () => {
    const ids = ['add 3.2 M', 'relu 3.2 M', 'relu 3.2 M backward', 'accumulate 3.2 M'];
    const rows = ids.map((id, i) => row(id, { 'weft wasm': i === 2 ? 0.5 : 0.3, triad: 0.24 }));
    const what = 'elementwise, of the triad';
    // 12 MB in 0.5 ms are 24 of 50 GB/s.
    expect(verdictOf(what, results(rows))).toMatchObject({
      measured: '48 % (24.0 of 50.0 GB/s, relu 3.2 M backward)',
      verdict: 'missed',
    });
    expect(verdictOf(what, results(rows.slice(1))).verdict).toBe('not measured');
    const alone = [row(ids[0], { 'weft wasm': 0.3 }), ...rows.slice(1)];
    expect(verdictOf(what, results(alone)).measured).toBe('triad: not asked for');
  });

  it('say who was missing and why', () => {
    const failed: Row = row('matmul 1024', {}, { outcomes: [{ contender: 'weft wasm', failed: 'trap' }] });
    expect(verdictOf('matmul 1024', results([failed]))).toMatchObject({
      measured: 'weft failed: trap',
      verdict: 'not measured',
    });
    const alone = results([row('cnn train 128', { 'weft wasm': 100 })], {
      peers: [{ name: 'pytorch', missing: 'not installed' }],
    });
    expect(verdictOf('CNN training step over PyTorch', alone).measured).toBe('pytorch: not installed');
  });

  it('go by what the device chose, not by a variant that was named', () => {
    const rows = [row('matmul 1024', { 'weft wasm/other': 1, 'weft wasm': 40 })];
    expect(verdictOf('matmul 1024', results(rows)).verdict).toBe('missed');
  });
});

describe('tables and files', () => {
  const missing: Row = row(
    'b',
    {},
    {
      outcomes: [
        { contender: 'weft wasm', failed: 'no variant applies' },
        { contender: 'tfjs-wasm', missing: 'no such kernel' },
      ],
    },
  );

  it('name everyone who did not take part', () => {
    const text = absences({ peers: [{ name: 'pytorch', missing: 'not installed' }], rows: [missing] });
    expect(text).toContain('pytorch: not installed');
    expect(text).toContain('weft wasm: FAILED: no variant applies [b]');
    expect(text).toContain('tfjs-wasm: no such kernel [b]');
    expect(groupTable('g', [missing], undefined)).toContain('(nobody)');
  });

  it('show rates, shares of the roof and ratios', () => {
    const text = groupTable('g', [row('a', { 'weft wasm': 40, 'tfjs-wasm': 100 })], CEILINGS);
    const [, , own, other] = text.trim().split('\n');
    expect(own).toMatch(/a +weft wasm +40\.0 +40\.0 +40\.0 +50\.0 +0\.300 +75 % fma/);
    expect(other).toMatch(/tfjs-wasm +100 +100 +100 +20\.0 +0\.120 +2\.50x/);
    expect(gatesTable(judge(results([])))).toContain('not measured');
  });

  it('adapters become plain file names', () => {
    const name = (kind: string, description: string) =>
      resultFileName(
        results([], {
          device: { kind, adapter: 'adapter', description },
          machine: { ...describeMachine(), processor: 'AMD EPYC (tm)' },
        }),
      );
    expect(name('wasm', 'WebAssembly SIMD on 2 threads')).toBe('wasm-amd-epyc-tm-2026-11-22.json');
    expect(name('webgpu', '../../NVIDIA x')).toBe('webgpu-nvidia-x-2026-11-22.json');
    expect(name('webgpu', 'llvmpipe: Mesa 25.0 (LLVM 15) (software)')).toBe(
      'webgpu-llvmpipe-mesa-25-0-2026-11-22.json',
    );
  });

  it('results are written whole, and hold no path of this machine', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-bench-'));
    try {
      const path = join(folder, 'deep', 'results.json');
      await writeResults(path, results([row('a', { 'weft wasm': 1 / 3 })]));
      expect(await readdir(join(folder, 'deep'))).toEqual(['results.json']);
      const text = await readFile(path, 'utf8');
      expect(JSON.parse(text).rows[0].outcomes[0].timing.median).toBe(0.333333);
      expect(text).not.toMatch(/"\/|\/home\/|\\\\/);
      expect(text).not.toContain(process.cwd());
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
