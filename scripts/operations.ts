/**
 * Writes docs/operations.md from the rows of the operations: what each computes, where its forward, gradient, kernels and
 * tests stand, and what the rest of the library knows of it. `npx tsx scripts/operations.ts`; a test compares the file with
 * what this would write.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { OP_FAMILIES, rowOf } from '../src/autograd/ops/rows.ts';
import type { OpRow, Reach } from '../src/autograd/row.ts';
import { EVERYWHERE } from '../src/autograd/row.ts';
import type { Kernel } from '../src/devices/kernel.ts';
import { KERNEL_FAMILIES } from '../src/kernels/by-name.ts';

export const OPERATIONS_FILE = fileURLToPath(new URL('../docs/operations.md', import.meta.url));

const link = (text: string, path: string): string => `[${text}](../${path})`;
const code = (text: string): string => `\`${text}\``;

/** The folder of src/kernels that a kernel lives in. */
function folderOf(kernel: Kernel): string {
  for (const [folder, kernels] of KERNEL_FAMILIES) if (kernels.includes(kernel)) return folder;
  throw new Error(`The kernel ${kernel.name} lives in no folder that by-name.ts knows.`);
}

function inWords(reach: Reach): string {
  if (reach === 'same') return 'own place';
  if (reach === EVERYWHERE) return 'everything';
  return 'by its parameters';
}

/** Bars would end a cell. */
const cell = (text: string): string => text.replaceAll('|', '\\|');

function lineOf(name: string, row: OpRow): string {
  const { about, functions = [], kernels, linearity, reach, onnx } = row;
  const cells = [
    code(name),
    cell(about),
    functions.map(f => code(f.name)).join(', '),
    kernels.map(kernel => code(kernel.name)).join(', '),
    linearity,
    inWords(reach),
    onnx ?? '',
  ];
  return `| ${cells.join(' | ')} |`;
}

function sectionOf(file: string, rows: readonly (readonly [string, OpRow])[]): string {
  const folders = [...new Set(rows.flatMap(([, { kernels }]) => kernels.map(folderOf)))];
  const kernels = folders.map(folder => {
    const forms = ['reference', 'wasm', 'wgsl'].map(form => link(form, `src/kernels/${folder}/${folder}.${form}.ts`));
    return (
      `kernels in ${link(code(folder), `src/kernels/${folder}/README.md`)}: ${forms.join(', ')}, tested by ` +
      link(`${folder}.cases.ts`, `test/conformance/${folder}.cases.ts`)
    );
  });
  return [
    `## ${file}`,
    `Forward, gradient and row: ${link(`ops/${file}.ts`, `src/autograd/ops/${file}.ts`)}; ${kernels.join('; ')}.`,
    [
      '| operation | computes | functions | kernels | linearity | sees | ONNX |',
      '|---|---|---|---|---|---|---|',
      ...rows.map(([name, row]) => lineOf(name, row)),
    ].join('\n'),
  ].join('\n\n');
}

/** The text of docs/operations.md. */
export function operationsReference(): string {
  const sections = [...OP_FAMILIES].map(([file, names]) =>
    sectionOf(
      file,
      names.map((name): [string, OpRow] => [name, rowOf(name)]),
    ),
  );
  const head = `# Operations

<!-- Written by scripts/operations.ts from the rows in src/autograd/ops. -->

Every operation that can stand on the tape, under the name that error messages and rules use. An operation's **forward and
gradient** are a few lines in \`src/autograd/ops/<family>.ts\`, and its **row** stands below them. Its **kernels** are
written three times, side by side: \`.reference.ts\` is the maths in plain loops, \`.wasm.ts\` and \`.wgsl.ts\` are the fast
forms; of functions of one or two values all three are one row of a table
(${link(code('unary.table.ts'), 'src/kernels/elementwise/unary.table.ts')},
${link(code('binary.table.ts'), 'src/kernels/elementwise/binary.table.ts')}). Its **tests**: the gradient against finite
differences (\`npx vitest run test/autograd/gradients.test.ts -t maxPool2d\`), the row itself
(\`test/autograd/rows.test.ts\`), the operation on every device (\`test/conformance/operations.test.ts\`), and each kernel at
many shapes (\`test/conformance/<folder>.cases.ts\`).

Kernels: the first computes the value, the others the gradient. Linearity is what DeepSHAP chooses its rule by; sees is what
of an operand [N, H, W, C] one element of the value depends on. Both are explained in
${link(code('row.ts'), 'src/autograd/row.ts')}. How to add an operation:
${link('kernels/elementwise/README.md', 'src/kernels/elementwise/README.md')}.`;
  return `${[head, ...sections].join('\n\n')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(OPERATIONS_FILE, operationsReference());
