/**
 * In WebAssembly: blocks of 4,096 elements are tested four at a time by or-ing together whether all exponent bits are set;
 * only in a block where that is so anywhere are the elements looked at one by one. Each block notes its first find, and a
 * second pass over the notes takes the first of them.
 */
import { input, output, scratch, type WasmVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { I32, i32, i32x4, splatI32, wasmProgram } from '../../devices/wasm/assembler/module.ts';
import { EXPONENT_BITS } from './health.ts';

const BLOCK = 4096;
const NONE = -1;

const program = wasmProgram('firstNonFinite', m => {
  m.function(
    'blocks',
    { start: i32, end: i32, x: i32, length: i32, notes: i32 },
    (f, { start, end, x, length, notes }) => {
      f.for(start, end, 1, block => {
        const first = f.let(block.mul(BLOCK));
        const rest = f.let(length.sub(first));
        const last = f.let(first.add(rest.lt(BLOCK).select(rest, I32.constant(BLOCK))));
        const vectors = f.let(last.sub(first).shrU(2));
        const at = f.let(x.add(first.shl(2)));
        const seen = f.local(i32x4);
        f.set(seen, splatI32(0));
        f.for(0, vectors, 1, () => {
          f.set(seen, seen.or(at.i32x4().and(EXPONENT_BITS).eq(EXPONENT_BITS)));
          f.advance(at, 16);
        });
        const found = f.local(i32);
        f.set(found, NONE);
        const hasTail = last.and(3);
        f.if(seen.anyTrue().or(hasTail), () => {
          // Backwards, so that the first one is what remains.
          const i = f.let(last);
          f.while(
            () => i.gt(first),
            () => {
              f.advance(i, -1);
              const bits = x.add(i.shl(2)).i32();
              f.if(bits.and(EXPONENT_BITS).eq(EXPONENT_BITS), () => f.set(found, i));
            },
          );
        });
        f.store(notes.add(block.shl(2)), found);
      });
    },
  );
  m.function('choose', { start: i32, end: i32, notes: i32, blocks: i32, out: i32 }, (f, { notes, blocks, out }) => {
    const found = f.local(i32);
    f.set(found, NONE);
    const i = f.let(blocks);
    f.while(
      () => i.gt(0),
      () => {
        f.advance(i, -1);
        const note = f.let(notes.add(i.shl(2)).i32());
        f.if(note.ge(0), () => f.set(found, note));
      },
    );
    f.store(out, found);
  });
});

export const firstNonFiniteWasm: readonly WasmVariant[] = [
  {
    name: 'blocks',
    applies: () => true,
    plan([x]) {
      const length = sizeOf(x.shape);
      const blocks = Math.ceil(length / BLOCK);
      return {
        scratch: [{ bytes: Math.max(4, blocks * 4) }],
        passes: [
          { program, entry: 'blocks', tasks: blocks, args: [input(0), length, scratch(0)], grain: 16 },
          { program, entry: 'choose', tasks: 1, args: [scratch(0), blocks, output(0)] },
        ],
      };
    },
  },
];
