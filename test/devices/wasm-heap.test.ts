/** The allocator: blocks never overlap, what is freed comes back, repeating work does not grow. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Block, GRANULE, Heap } from '../../src/devices/wasm/heap.ts';
import { formatBytes, PAGE, WasmMemory } from '../../src/devices/wasm/memory.ts';

const SIZE = 1 << 20;

function checkDisjoint(blocks: readonly Block[]): void {
  const sorted = [...blocks].sort((a, b) => a.address - b.address);
  for (let i = 0; i < sorted.length; i++) {
    expect(sorted[i].address % GRANULE).toBe(0);
    expect(sorted[i].address + sorted[i].bytes).toBeLessThanOrEqual(sorted[i + 1]?.address ?? SIZE);
  }
}

describe('Heap', () => {
  it('hands out disjoint aligned blocks and becomes one free block again, whatever the order', () => {
    const action = fc.record({ bytes: fc.integer({ min: 0, max: 40_000 }), free: fc.nat() });
    fc.assert(
      fc.property(fc.array(action, { minLength: 1, maxLength: 200 }), actions => {
        const heap = new Heap();
        heap.add(0, SIZE / 2);
        heap.add(SIZE / 2, SIZE / 2);
        const live: Block[] = [];
        for (const { bytes, free } of actions) {
          if (free % 3 === 0 && live.length > 0) heap.free(live.splice(free % live.length, 1)[0]);
          const largest = heap.largestFree;
          const block = heap.allocate(bytes);
          expect(block !== undefined).toBe(Math.max(bytes, 1) <= largest);
          if (!block) continue;
          expect(block.bytes).toBeGreaterThanOrEqual(bytes);
          expect(block.bytes).toBeLessThan(bytes + 2 * GRANULE);
          live.push(block);
          checkDisjoint(live);
          expect(heap.freeBytes + live.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(SIZE);
        }
        for (const block of live) heap.free(block);
        expect(heap.freeBytes).toBe(SIZE);
        expect(heap.largestFree).toBe(SIZE);
      }),
      { numRuns: 100, endOnFailure: true },
    );
  });

  it('takes the best fit and keeps apart what does not adjoin', () => {
    const heap = new Heap();
    heap.add(0, 64 * 10);
    heap.add(64 * 100, 64 * 5);
    expect(heap.allocate(64 * 5)!.address).toBe(64 * 100);
    expect(heap.allocate(64 * 11)).toBeUndefined();
    expect(heap.largestFree).toBe(64 * 10);
  });

  it('refuses to free twice', () => {
    const heap = new Heap();
    heap.add(0, SIZE);
    const block = heap.allocate(100)!;
    heap.free(block);
    expect(() => heap.free(block)).toThrow('free already');
  });
});

describe('WasmMemory', () => {
  const live = { liveAllocations: 3, liveBytes: 4 * PAGE };

  it('does not grow over 10,000 repetitions of a step that keeps as much as it frees', () => {
    // Blocks of parameters stay, activations live to the end of the step, temporaries for a call or two.
    const sizes = fc.array(fc.integer({ min: 1, max: 3_000_000 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(sizes, sizes, (activations, temporaries) => {
        const memory = new WasmMemory({ shared: false, maximumPages: 4096 });
        let parameters = activations.map(bytes => memory.allocate(bytes / 10, live));
        const step = (): void => {
          const saved = activations.map((bytes, i) => {
            const temporary = memory.allocate(temporaries[i % temporaries.length], live);
            const block = memory.allocate(bytes, live);
            memory.free(temporary);
            return block;
          });
          const updated = parameters.map(({ bytes }) => memory.allocate(bytes, live));
          for (const block of [...saved, ...parameters]) memory.free(block);
          parameters = updated;
        };
        for (let i = 0; i < 500; i++) step(); // until the layout has settled
        const reserved = memory.reservedBytes;
        for (let i = 0; i < 10_000; i++) step();
        expect(memory.reservedBytes).toBe(reserved);
      }),
      { numRuns: 4, endOnFailure: true, seed: 1 },
    );
  });

  it('wastes less than it holds, even when lifetimes and steps do not match', () => {
    const pattern = fc.record({ bytes: fc.integer({ min: 1, max: 3_000_000 }), keep: fc.nat(19) });
    fc.assert(
      fc.property(fc.array(pattern, { minLength: 1, maxLength: 12 }), pattern => {
        const memory = new WasmMemory({ shared: false, maximumPages: 4096 });
        const dueAt: Block[][] = Array.from({ length: 21 }, () => []);
        let [held, peak] = [0, 0];
        for (let time = 0; time < 500 * pattern.length; time++) {
          const { bytes, keep } = pattern[time % pattern.length];
          for (const block of dueAt[time % 21].splice(0)) {
            held -= block.bytes;
            memory.free(block);
          }
          const block = memory.allocate(bytes, live);
          dueAt[(time + 1 + keep) % 21].push(block);
          held += block.bytes;
          peak = Math.max(peak, held);
        }
        const lastStepOfGrowth = 17 * 2 ** 20;
        expect(memory.reservedBytes).toBeLessThan(2 * peak + lastStepOfGrowth);
      }),
      { numRuns: 30, endOnFailure: true },
    );
  });

  it('grows, keeping contents, and renews its views', () => {
    const memory = new WasmMemory({ shared: true, maximumPages: 4096 });
    const first = memory.allocate(4, live);
    const views = memory.views;
    views.f32[first.address / 4] = 42;
    const large = memory.allocate(64 * 1024 * 1024, live);
    expect(memory.views).not.toBe(views);
    expect(memory.views.f32[first.address / 4]).toBe(42);
    memory.views.u8[large.address + large.bytes - 1] = 7;
    expect(new Uint8Array(memory.memory.buffer)[large.address + large.bytes - 1]).toBe(7);
  });

  it('says what was asked and what is live when memory runs out, and goes on afterwards', () => {
    const memory = new WasmMemory({ shared: false, maximumPages: 64 });
    const block = memory.allocate(3 * 1024 * 1024, live);
    expect(() => memory.allocate(2 * 1024 * 1024, live)).toThrow(
      /^wasm: out of memory: 2 MiB were asked for while 3 allocations hold 262,144 bytes and .* pooled \(largest piece .*\) of at most 4 MiB; use a smaller batch/,
    );
    memory.free(block);
    expect(memory.allocate(2 * 1024 * 1024, live).bytes).toBe(2 * 1024 * 1024);
  });

  it('uses memory up to the last page', () => {
    const memory = new WasmMemory({ shared: false, maximumPages: 20, base: 64 });
    expect(memory.allocate(20 * PAGE - 64, live).bytes).toBe(20 * PAGE - 64);
    expect(memory.reservedBytes).toBe(20 * PAGE - 64);
  });
});

it('formats byte counts', () => {
  expect([1, 1234, 1.5 * 2 ** 20, 2.25 * 2 ** 30].map(formatBytes)).toEqual([
    '1 bytes',
    '1,234 bytes',
    '1.5 MiB',
    '2.25 GiB',
  ]);
});
