#!/usr/bin/env bash
# scikit-learn 1.2.1 (SciPy 1.10.1, NumPy 1.24.2): PowerTransformer calls finite data infinite when their mean is large.
#
# Expected: a transformation that makes data more normal takes 50 samples of a normal distribution about 100,000 (air pressure
#   in pascal, a year's revenue) as it takes the same samples about 10, and standardizes them.
# Behaviour: the exponent that fits best grows with the mean (1.5 at 10, 50 at 1,000), and the powers overflow: fit_transform
#   raises ValueError, Input X contains infinity, though X does not. Box-Cox fails from 10,000 on. Subtracting a constant
#   helps, and changes the result.
# Output seen: mean 10 and 1,000: standard deviation 1; 100,000: ValueError for both methods; 10,000: for Box-Cox.
# Source: documentation of PowerTransformer (Yeo-Johnson supports both positive or negative data; no limit of size).
# Told to the makers: no.
#
# Runs with Debian 12 and its packages python3-sklearn 1.2.1 and python3-numpy 1.24.2, without weft and without network. Exits 0
# while the behaviour is as stated, and 2 where the packages are missing.
set -euo pipefail
if ! /usr/bin/python3 -c "import sklearn; assert sklearn.__version__ == '1.2.1'" 2>/dev/null; then
  echo "This script needs scikit-learn 1.2.1 for /usr/bin/python3 (Debian 12: python3-sklearn)."
  exit 2
fi
timeout 100 /usr/bin/python3 -W ignore - <<'PY'
import numpy as np
from sklearn.preprocessing import PowerTransformer

samples = np.random.RandomState(0).randn(50, 1)
print('scikit-learn 1.2.1: PowerTransformer on 50 normal samples of deviation 1 (expected: deviation 1 for each mean)')
seen = {
    'yeo-johnson': {10: True, 1000: True, 10000: True, 100000: False},
    'box-cox': {10: True, 1000: True, 10000: False, 100000: False},
}
for method, means in seen.items():
    for mean, works in means.items():
        data = mean + samples
        assert np.isfinite(data).all() and data.min() > 0
        try:
            result = PowerTransformer(method).fit_transform(data).std()
            print(f'{method}, mean {mean}: deviation {result:.3f}')
            assert works and abs(result - 1) < 1e-6
        except ValueError as error:
            print(f'{method}, mean {mean}: ValueError: {str(error)[:70]}')
            assert not works and 'infinity' in str(error)
PY
