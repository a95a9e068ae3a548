/**
 * What a model is made of, layer by layer: output shapes, receptive fields, parameters, work. The model runs once, for one
 * image, on a device that follows shapes only, with stand-ins for its parameters; so a summary takes milliseconds, works
 * before `initialize`, and disturbs nothing. Work is counted for evaluation: a training step takes about three times as
 * much.
 */
import { activeLabel } from '../autograd/tape.ts';
import type { Shape } from '../devices/shape.ts';
import { formatShape, sizeOf } from '../devices/shape.ts';
import type { Parameter } from './parameter.ts';
import { runOnShapes, type ShapeRunnable } from './shape-run.ts';

export interface LayerSummary {
  /** Path within the model. */
  readonly name: string;
  /** Class of the module. A block stands in the list for its own work, the addition of its shortcut. */
  readonly kind: string;
  /** Of one image: without the batch axis. */
  readonly outputShape: Shape;
  /** [height, width] in image pixels that one output value sees. */
  readonly receptiveField: readonly [number, number];
  readonly parameters: number;
  /** Multiply-adds of convolutions and matrix products, for one image. */
  readonly macs: number;
  /** All arithmetic, for one image. */
  readonly flops: number;
}

export interface ModelSummary {
  readonly inputShape: Shape;
  readonly layers: readonly LayerSummary[];
  readonly parameters: number;
  readonly macs: number;
  readonly flops: number;
  /** The table as text. */
  toString(): string;
}

/** What the summary needs of a module. */
interface Summarized extends ShapeRunnable {
  modules(): Summarized[];
  children(): [string, unknown][];
  namedParameters(): [string, Parameter][];
}

/**
 * Lists a model's layers.
 * @param inputShape of one image, [H, W, C]
 * @throws ShapeError when the model does not take such images
 */
export function summarize(model: Summarized, inputShape: Shape): ModelSummary {
  const work = new Map<string, { macs: number; flops: number }>();
  const found = runOnShapes(model, inputShape, (macs, flops) => {
    const label = activeLabel() ?? '';
    const sum = work.get(label) ?? { macs: 0, flops: 0 };
    work.set(label, { macs: sum.macs + macs, flops: sum.flops + flops });
  });
  const byPath = new Map(model.modules().map(module => [module.path, module]));
  const layers = [...found].flatMap(([path, { shape, field }]): LayerSummary[] => {
    const module = byPath.get(path)!;
    const { macs, flops } = work.get(path) ?? { macs: 0, flops: 0 };
    const isContainer = module.children().length > 0;
    if (isContainer && flops === 0) return [];
    return [
      {
        name: path,
        kind: module.constructor.name,
        outputShape: shape,
        receptiveField: field.size,
        parameters: isContainer ? 0 : module.namedParameters().reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0),
        macs,
        flops,
      },
    ];
  });
  const total = (key: 'macs' | 'flops') => [...work.values()].reduce((sum, entry) => sum + entry[key], 0);
  const parameters = model.namedParameters().reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);
  const summary = { inputShape, layers, parameters, macs: total('macs'), flops: total('flops') };
  // Not enumerable, so that a summary is plain data to JSON and to comparisons.
  return Object.defineProperty(summary, 'toString', { value: () => formatSummary(summary) });
}

/** 327123456 as 327.12 M. */
export function formatCount(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(2)} G`;
  if (count >= 1e6) return `${(count / 1e6).toFixed(2)} M`;
  if (count >= 1e4) return `${(count / 1e3).toFixed(1)} k`;
  return String(count);
}

/** The summary as a table for people. */
export function formatSummary({ inputShape, layers, parameters, macs, flops }: ModelSummary): string {
  const rows = [
    ['layer', 'kind', 'output', 'sees', 'parameters', 'multiply-adds'],
    ...layers.map(layer => [
      layer.name,
      layer.kind,
      formatShape(layer.outputShape),
      layer.receptiveField.join('x'),
      layer.parameters === 0 ? '' : String(layer.parameters),
      layer.macs === 0 ? '' : formatCount(layer.macs),
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map(row => row[column].length)));
  const lines = rows.map(row =>
    row
      .map((cell, column) => (column < 3 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd(),
  );
  return [
    ...lines,
    `${formatCount(parameters)} parameters (${parameters}); one image of ${formatShape(inputShape)} takes ` +
      `${formatCount(macs)} multiply-adds, ${formatCount(flops)} floating-point operations in all.`,
  ].join('\n');
}
