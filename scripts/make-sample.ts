/**
 * Makes `assets/fashion-mnist-sample` out of the full data set: the same number of images of every class, chosen by
 * seed, in their original order, as gzip-compressed IDX files. Prints the SHA-256 sums that `SAMPLE_EDITION` in
 * `src/data/fashion-mnist.ts` must hold.
 *
 *   npx tsx scripts/make-sample.ts [--data DIR] [--out DIR]
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { SAMPLE_DIRECTORY, searchEdition } from '../src/data/fashion-mnist.node.ts';
import { CLASS_NAMES, FULL_EDITION, type ImageSet, SAMPLE_EDITION, sha256 } from '../src/data/fashion-mnist.ts';
import { serializeIdx } from '../src/data/idx.ts';
import { PhiloxStream, streamNamed } from '../src/kernels/random/philox.ts';

const SEED = 0;
const PER_CLASS = { train: 300, test: 100 };

/** The first `perClass` images of every class in a random order, as ascending indices. */
function chooseBalanced(labels: Uint8Array, perClass: number, split: string): number[] {
  const random = new PhiloxStream(SEED, streamNamed(`sample/${split}`));
  const order = Array.from(labels, (_, index) => ({ index, key: random.nextUint32() }));
  order.sort((a, b) => a.key - b.key || a.index - b.index);
  const taken = new Array<number>(CLASS_NAMES.length).fill(0);
  const chosen = order.filter(({ index }) => taken[labels[index]]++ < perClass).map(({ index }) => index);
  return chosen.sort((a, b) => a - b);
}

/** The IDX files of a choice of images. */
function filesOf(set: ImageSet, indices: number[]): { images: Uint8Array; labels: Uint8Array } {
  const size = set.height * set.width;
  const images = new Uint8Array(indices.length * size);
  indices.forEach((index, position) => {
    images.set(set.images.subarray(index * size, (index + 1) * size), position * size);
  });
  return {
    images: serializeIdx([indices.length, set.height, set.width], images),
    labels: serializeIdx(
      [indices.length],
      Uint8Array.from(indices, index => set.labels[index]),
    ),
  };
}

const LICENCE = `The images and labels in this directory are a part of Fashion-MNIST
(https://github.com/zalandoresearch/fashion-mnist).

The MIT License (MIT)

Copyright (c) 2017 Zalando SE, https://tech.zalando.com

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`;

const README = `# Fashion-MNIST, a small sample

${10 * PER_CLASS.train} training and ${10 * PER_CLASS.test} test images of Fashion-MNIST, ${PER_CLASS.train} and ${PER_CLASS.test} of each class, as gzip-compressed IDX files.
They keep the tests and a first look alive where the full set (60,000 + 10,000 images) cannot be had.
A model trained on them is much worse than one trained on the full set; whatever uses them says "sample data".

Made by \`scripts/make-sample.ts\` (seed ${SEED}) from Debian's package \`dataset-fashion-mnist\` 0.0~git20200523.55506a9-1:
within each class the images with the smallest random keys are taken, training images from the training set and test images
from the test set, in their original order. The bytes of every image are unchanged.

Source: H. Xiao, K. Rasul, R. Vollgraf: *Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms*,
arXiv:1708.07747. (c) 2017 Zalando SE, MIT licence: see \`LICENSE\`.
`;

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: '/usr/share/datasets/fashion-mnist' },
    out: { type: 'string', default: SAMPLE_DIRECTORY },
  },
});
const full = await searchEdition(FULL_EDITION, { dir: values.data });
if (full.isSample) throw new Error(`${values.data} holds the sample; the full data set is needed.`);
await mkdir(values.out, { recursive: true });
for (const split of ['train', 'test'] as const) {
  const files = filesOf(full[split], chooseBalanced(full[split].labels, PER_CLASS[split], split));
  for (const content of ['images', 'labels'] as const) {
    const { name } = SAMPLE_EDITION.files.find(file => file.split === split && file.content === content)!;
    const compressed = gzipSync(files[content], { level: 9 });
    await writeFile(join(values.out, `${name}.gz`), compressed);
    console.log(`${await sha256(files[content])}  ${name}  (${compressed.length} bytes compressed)`);
  }
}
await writeFile(join(values.out, 'LICENSE'), LICENCE);
await writeFile(join(values.out, 'README.md'), README);
