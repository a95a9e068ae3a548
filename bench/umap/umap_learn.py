"""
umap-learn's map of points that bench/umap/main.ts wrote, for comparison: Debian's umap-learn 0.5.3.

    /usr/bin/python3 bench/umap/umap_learn.py scores.f64 N DIMENSIONS map.f64
"""
import sys
import time

import numpy
import umap

source, count, dimensions, target = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
points = numpy.fromfile(source, dtype=numpy.float64, count=count * dimensions).reshape(count, dimensions)
began = time.perf_counter()
embedding = umap.UMAP(n_neighbors=15, min_dist=0.1, random_state=0).fit_transform(points.astype(numpy.float32))
print(f'{{"seconds": {time.perf_counter() - began:.3f}}}')
embedding.astype(numpy.float64).tofile(target)
