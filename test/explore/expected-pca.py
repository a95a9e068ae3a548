"""Makes expected-pca.json: scikit-learn's PCA of the 60,000 training images in [0, 1], in float64.

    python3 test/explore/expected-pca.py > test/explore/expected-pca.json

The first 20 components are kept as 16-bit integers, each scaled to its largest loading, row by row, in base64.
"""
import base64
import gzip
import json

import numpy as np
import sklearn
from sklearn.decomposition import PCA

with gzip.open('/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz') as file:
    images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(60000, 784).astype(np.float64) / 255
pca = PCA(50, svd_solver='full').fit(images)
components = pca.components_[:20]
scale = np.abs(components).max(1, keepdims=True) / 32767
print(json.dumps({
    'sklearn': sklearn.__version__,
    'explainedVariance': [float(f'{v:.9g}') for v in pca.explained_variance_],
    'explainedVarianceRatio': [float(f'{v:.9g}') for v in pca.explained_variance_ratio_[:5]],
    'totalVariance': float(images.var(0, ddof=1).sum()),
    'components': base64.b64encode(np.round(components / scale).astype('<i2').tobytes()).decode(),
}))
