/**
 * Pipelines, cached by WGSL source, and bind-group layouts, shared by all pipelines that bind the same kinds of buffers.
 * Layouts are explicit, read off the source's own declarations, so that a bind group depends on the kinds of its buffers
 * and not on the pipeline. A source that does not compile becomes an error that names kernel, variant and the line; WebGPU
 * reports it a moment later, so the first run records the error for the next wait and later runs throw it at once.
 */
import { DeviceError } from '../errors.ts';

export type BindingKind = 'read' | 'read_write' | 'uniform';

export interface Pipeline {
  readonly gpu: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** What the source declares at each binding of group 0. */
  readonly kinds: readonly BindingKind[];
  /** Set when the compiler has rejected the source. */
  failure?: DeviceError;
}

const DECLARATION = /((?:@\s*\w+\s*\([^)]*\)\s*)+)var\s*<\s*(storage|uniform)\s*(?:,\s*(read_write|read)\s*)?>/g;

/** The kinds of `@group(0) @binding(i)` in a WGSL source, by binding number. Throws DeviceError when numbers are missing. */
export function bindingKinds(source: string, what: string): BindingKind[] {
  const code = source.replace(/\/\/[^\n]*/g, '').replace(/\/\*[\s\S]*?\*\//g, '');
  const kinds: BindingKind[] = [];
  for (const [, attributes, space, access] of code.matchAll(DECLARATION)) {
    const binding = /@\s*binding\s*\(\s*(\d+)/.exec(attributes);
    if (!binding) throw new DeviceError(`${what}: a variable of the WGSL source has no @binding.`);
    kinds[Number(binding[1])] = space === 'uniform' ? 'uniform' : ((access as BindingKind | undefined) ?? 'read');
  }
  for (let i = 0; i < kinds.length; i++) {
    if (kinds[i] === undefined) throw new DeviceError(`${what}: the WGSL source declares no @binding(${i}).`);
  }
  return kinds;
}

const LAYOUT_TYPES = { read: 'read-only-storage', read_write: 'storage', uniform: 'uniform' } as const;

const COMPUTE_STAGE = 0x4;

export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #report: (outcome: Promise<DeviceError | undefined>) => void;
  readonly #beforeCompiling: (compiled: number) => void;
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #layouts = new Map<string, { bindGroup: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();

  /**
   * @param report takes what a compilation will turn out to have been, to be thrown at the next wait
   * @param beforeCompiling see `AcquiredAdapter`
   */
  constructor(
    device: GPUDevice,
    report: (outcome: Promise<DeviceError | undefined>) => void,
    beforeCompiling: (compiled: number) => void = () => {},
  ) {
    this.#device = device;
    this.#report = report;
    this.#beforeCompiling = beforeCompiling;
  }

  get size(): number {
    return this.#pipelines.size;
  }

  /**
   * The pipeline of a source.
   * @param what kernel, variant and pass, for messages
   * @throws DeviceError if the compiler has rejected this source before
   */
  get(source: string, what: string): Pipeline {
    let pipeline = this.#pipelines.get(source);
    if (!pipeline) {
      this.#beforeCompiling(this.#pipelines.size);
      pipeline = this.#compile(source, what);
      this.#pipelines.set(source, pipeline);
    }
    if (pipeline.failure) throw pipeline.failure;
    return pipeline;
  }

  #compile(source: string, what: string): Pipeline {
    const kinds = bindingKinds(source, what);
    const layout = this.#layout(kinds);
    const device = this.#device;
    device.pushErrorScope('internal');
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label: what, code: source });
    const gpu = device.createComputePipeline({
      label: what,
      layout: layout.pipeline,
      compute: { module, entryPoint: 'main' },
    });
    const pipeline: Pipeline = { gpu, layout: layout.bindGroup, kinds };
    const scopes = [device.popErrorScope(), device.popErrorScope()];
    this.#report(
      Promise.all(scopes).then(
        errors => {
          const error = errors.find(each => each !== null);
          if (!error) return undefined;
          pipeline.failure = new DeviceError(
            `${what}: the WGSL source does not compile: ${withoutTrail(error.message)}`,
          );
          return pipeline.failure;
        },
        () => undefined, // The device is lost, which is reported by itself.
      ),
    );
    return pipeline;
  }

  #layout(kinds: readonly BindingKind[]) {
    const key = kinds.join();
    let layout = this.#layouts.get(key);
    if (!layout) {
      const bindGroup = this.#device.createBindGroupLayout({
        label: key,
        entries: kinds.map((kind, binding) => ({
          binding,
          visibility: COMPUTE_STAGE,
          buffer: { type: LAYOUT_TYPES[kind] },
        })),
      });
      const pipeline = this.#device.createPipelineLayout({ label: key, bindGroupLayouts: [bindGroup] });
      this.#layouts.set(key, (layout = { bindGroup, pipeline }));
    }
    return layout;
  }
}

/** Dawn's message without its trail, the list of calls that the error came through. */
export function withoutTrail(message: string): string {
  return message.replace(/\n\s*- While [\s\S]*$/, '').trim();
}
