#!/usr/bin/env bash
# scikit-image 0.19.3 (NumPy 1.24.2): from RGB to stains (HED) and back, grey turns purple and yellow turns black.
#
# Expected: rgb2hed and hed2rgb are a change of base of three optical densities and its inverse, so that a picture comes back,
#   as it does for the eight other colour spaces of the module. Augmentation of stained tissue relies on it: to HED, scale,
#   back.
# Behaviour: rgb2hed sets negative stains to zero, and says so nowhere. Only colours that are mixtures of the three stains
#   come back. Neutral grey has a negative share of eosin: it returns with too little green. A saturated colour returns almost
#   black.
# Output seen: 0.6 0.3 0.5 the same; grey 0.5 0.5 0.5 -> 0.492 0.392 0.487; red 0.8 0.2 0.2 -> 0.522 0.126 0.165; yellow 1 1 0
#   -> 0.003 0 0; random colours differ by up to 0.9, in XYZ, HSV, Lab, Luv, YUV, YIQ and YCbCr by 1e-14.
# Source: documentation of rgb2hed, hed2rgb, separate_stains and combine_stains.
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
from skimage import color

print('scikit-image 0.19.3: colours to HED and back')
for colour, seen in [
    ([0.6, 0.3, 0.5], [0.6, 0.3, 0.5]),
    ([0.5, 0.5, 0.5], [0.492, 0.392, 0.487]),
    ([0.8, 0.2, 0.2], [0.522, 0.126, 0.165]),
    ([1.0, 1.0, 0.0], [0.003, 0.0, 0.0]),
]:
    found = color.hed2rgb(color.rgb2hed(np.array([[colour]])))[0, 0]
    print(f'{colour}: {found.round(3).tolist()} (expected the same)')
    assert np.abs(found - seen).max() < 2e-3

picture = np.random.RandomState(0).rand(20, 20, 3)
for space in ['xyz', 'hsv', 'lab', 'luv', 'yuv', 'yiq', 'ycbcr', 'hed']:
    there = getattr(color, f'rgb2{space}')
    back = getattr(color, f'{space}2rgb')
    error = np.abs(back(there(picture)) - picture).max()
    print(f'{space}: largest difference of random colours {error:.1e} (expected about 1e-14)')
    assert (error > 0.5) if space == 'hed' else (error < 1e-12)
PY
