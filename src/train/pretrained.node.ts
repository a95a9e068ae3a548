/**
 * The weights that come with this package: `pretrained:cnn` means `models/cnn.safetensors` at the package's root, which is
 * two folders above this file whether it runs from `src` or from `dist`.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CheckpointError } from '../devices/errors.ts';

const PREFIX = 'pretrained:';

export const PRETRAINED_DIRECTORY: string = fileURLToPath(new URL('../../models', import.meta.url));

/** Names that `pretrained:` knows. */
export function pretrainedNames(directory: string = PRETRAINED_DIRECTORY): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter(file => file.endsWith('.safetensors'))
    .map(file => file.slice(0, -'.safetensors'.length))
    .sort();
}

/**
 * The file that a `--checkpoint` means: a path as it is, or one of the package's own models.
 * @throws CheckpointError naming the models there are
 */
export function checkpointPath(reference: string, directory: string = PRETRAINED_DIRECTORY): string {
  if (!reference.startsWith(PREFIX)) return reference;
  const name = reference.slice(PREFIX.length);
  const names = pretrainedNames(directory);
  if (names.includes(name)) return join(directory, `${name}.safetensors`);
  throw new CheckpointError(
    names.length === 0
      ? `This copy of the package has no trained models, so there is no "${reference}"; train one with: weft train --model ${name || 'cnn'}.`
      : `There is no trained model "${name}" in this package; choose one of ${names.map(one => PREFIX + one).join(', ')}.`,
  );
}
