"""
scikit-learn's t-SNE (Barnes-Hut) of points that bench/tsne/main.ts wrote, for comparison: Debian's python3-sklearn.

    python3 bench/tsne/scikit_learn.py scores.f64 N DIMENSIONS map.f64
"""
import sys
import time

import numpy
from sklearn.manifold import TSNE

source, count, dimensions, target = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
points = numpy.fromfile(source, dtype=numpy.float64, count=count * dimensions).reshape(count, dimensions)
began = time.perf_counter()
tsne = TSNE(perplexity=30, n_iter=750, init="pca", learning_rate="auto", n_jobs=2, random_state=0)
embedding = tsne.fit_transform(points.astype(numpy.float32))
print(f'{{"seconds": {time.perf_counter() - began:.3f}, "kl": {tsne.kl_divergence_:.6f}, "steps": {tsne.n_iter_ + 1}}}')
embedding.astype(numpy.float64).tofile(target)
