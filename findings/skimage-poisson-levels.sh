#!/usr/bin/env bash
# scikit-image 0.19.3 (NumPy 1.24.2): Poisson noise depends on how many different grey levels a picture has.
#
# Expected: random_noise(picture, mode='poisson') imitates the counting of photons: the noise of a pixel depends on the
#   brightness of that pixel. Pictures of brightness 0.5 get noise of about one strength, whatever their other pixels are.
# Behaviour: the number of photons for white is taken to be the number of different values in the picture, rounded up to a
#   power of two. A flat grey picture has one value: each pixel becomes 0 or 1. A picture of random float values gets nearly
#   no noise. Two augmented pictures of a set differ in noise because one was saved with more bits or has more pixels.
# Output seen: brightness about 0.5, 200 x 200 pixels: 1 level: standard deviation of the noise 0.489, values 0 and 1 only; 2
#   levels 0.390; 200 levels 0.044; 40,000 levels 0.003.
# Source: documentation of random_noise, which says: Poisson-distributed noise generated from the data.
# Told to the makers: no.
#
# Runs with Debian 12 and its packages python3-skimage 0.19.3 and python3-numpy 1.24.2, without weft and without network. Exits 0
# while the behaviour is as stated, and 2 where the packages are missing.
set -euo pipefail
if ! /usr/bin/python3 -c "import skimage; assert skimage.__version__ == '0.19.3'" 2>/dev/null; then
  echo "This script needs scikit-image 0.19.3 for /usr/bin/python3 (Debian 12: python3-skimage)."
  exit 2
fi
timeout 100 /usr/bin/python3 - <<'PY'
import numpy as np
from skimage import util

size = 200
rows, columns = np.indices((size, size))
pictures = {
    1: np.full((size, size), 0.5),
    2: np.where((rows + columns) % 2 == 1, 0.4, 0.6),
    200: np.tile(np.linspace(0.4, 0.6, size), (size, 1)),
    40000: 0.4 + 0.2 * np.random.RandomState(1).rand(size, size),
}
seen = {1: 0.489, 2: 0.390, 200: 0.044, 40000: 0.003}
print('scikit-image 0.19.3, random_noise, mode poisson, pictures of brightness 0.4 to 0.6')
for levels, picture in pictures.items():
    assert len(np.unique(picture)) == levels
    noisy = util.random_noise(picture, 'poisson', seed=0)
    deviation = (noisy - picture).std()
    print(f'{levels} levels: standard deviation of the noise {deviation:.3f} (expected about the same for all)')
    assert abs(deviation - seen[levels]) < 0.01
    if levels == 1:
        assert set(np.unique(noisy)) == {0.0, 1.0}
PY
