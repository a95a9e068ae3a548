/**
 * Inference in three forms, in one race: the model called under `noGrad`, the same call recorded and replayed, and the model
 * compiled. Their ratios say what the recording and what the folding are worth.
 */
import { noGrad } from '../../src/autograd/index.ts';
import type { Device } from '../../src/devices/device.ts';
import { compileForInference } from '../../src/nn/index.ts';
import { keep, tidy } from '../../src/tensor/lifetime.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import type { Contender, Entrant } from '../contender.ts';
import { timed } from '../harness.ts';
import type { NetworkOperation } from '../operations.ts';
import { type Prepared, prepare } from './prepared.ts';

/** The compiled form's name on wasm, by which gates know it. */
export const COMPILED = 'weft wasm/compiled';

const logitsOf = ({ model, images }: Prepared): Tensor => tidy(() => noGrad(() => model.call(images)));

/** Takes over what was prepared. */
export function inference(prepared: Prepared): Contender {
  const { model, dispose } = prepared;
  const infer = (): Tensor => logitsOf(prepared);
  model.eval();
  return contender(prepared, infer, output => output.dispose(), dispose);
}

function captured(prepared: Prepared): Contender {
  const { device } = prepared.model.eval();
  let logits: Tensor | undefined;
  const capture = device.capture(() => {
    logits = keep(logitsOf(prepared));
  });
  const infer = (): Tensor => {
    capture.replay();
    return logits!;
  };
  const dispose = (): void => {
    logits!.dispose();
    capture.dispose();
    prepared.dispose();
  };
  return contender(prepared, infer, () => {}, dispose);
}

async function compiled(prepared: Prepared): Promise<Contender> {
  const { model, images, dispose } = prepared;
  const ready = await compileForInference(model, images.shape);
  const disposeAll = (): void => {
    ready.dispose();
    dispose();
  };
  return contender(
    prepared,
    () => ready.run(images),
    output => output.dispose(),
    disposeAll,
  );
}

function contender(
  { model: { device } }: Prepared,
  infer: () => Tensor,
  release: (output: Tensor) => void,
  dispose: () => void,
): Contender {
  return timed(
    { once: () => release(infer()), finish: () => device.sync() },
    {
      dispose,
      async output() {
        const logits = infer();
        try {
          return await logits.data();
        } finally {
          release(logits);
        }
      },
    },
  );
}

/** The forms beside the plain call, which is `ownNetwork`. */
export function inferenceForms({ network, batch }: NetworkOperation, device: Device): Entrant[] {
  const name = `weft ${device.kind}`;
  return [
    { name: `${name}/captured`, prepare: () => captured(prepare(network, batch, device)) },
    { name: `${name}/compiled`, prepare: () => compiled(prepare(network, batch, device)) },
  ];
}
