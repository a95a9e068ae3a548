#!/usr/bin/env bash
# scikit-learn 1.2.1 (NumPy 1.24.2): decision trees and forests do not see differences of less than 1e-7.
#
# Expected: a tree depends on the order of the values of a feature only, so that the unit does not matter: lengths in metres
#   and in nanometres give the same tree, as the manual praises (little data preparation, no normalisation).
# Behaviour: values that differ by less than 1e-7 are one value to the splitter, whatever their size, and whatever float32
#   resolves. Wavelengths, concentrations or rates in SI units are a constant feature: the tree is one leaf, the forest
#   predicts the mean class, importances are 0. Multiplied by 1e9 the same numbers are separated without error.
#   HistGradientBoosting separates both.
# Output seen: 100 samples from 1e-8 to 1e-7 with classes by the half: tree 1 leaf, accuracy 0.5; times 1e9 2 leaves, accuracy
#   1; random forest 0.5 and 1; histogram gradient boosting 1 and 1.
# Source: documentation of DecisionTreeClassifier, which tells of float32 and not of this; user guide, 1.10 Decision Trees.
# Told to the makers: no.
#
# Runs with Debian 12 and its packages python3-sklearn 1.2.1 and python3-numpy 1.24.2, without weft and without network. Exits 0
# while the behaviour is as stated, and 2 where the packages are missing.
set -euo pipefail
if ! /usr/bin/python3 -c "import sklearn; assert sklearn.__version__ == '1.2.1'" 2>/dev/null; then
  echo "This script needs scikit-learn 1.2.1 for /usr/bin/python3 (Debian 12: python3-sklearn)."
  exit 2
fi
timeout 100 /usr/bin/python3 - <<'PY'
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

metres = np.linspace(1e-8, 1e-7, 100)[:, None]
classes = np.repeat([0, 1], 50)
# The numbers stay different in float32, which the trees use inside.
assert len(np.unique(metres.astype(np.float32))) == 100

print('scikit-learn 1.2.1: 100 samples, classes by the half; accuracy on the training data in metres, in nanometres')
for make, seen in [
    (lambda: DecisionTreeClassifier(random_state=0), 0.5),
    (lambda: RandomForestClassifier(n_estimators=10, random_state=0), 0.5),
    (lambda: HistGradientBoostingClassifier(random_state=0), 1.0),
]:
    small = make().fit(metres, classes)
    large = make().fit(metres * 1e9, classes)
    accuracy = [small.score(metres, classes), large.score(metres * 1e9, classes)]
    print(f'{type(small).__name__}: {accuracy[0]:.2f}, {accuracy[1]:.2f} (expected 1.00, 1.00)')
    assert accuracy[0] == seen and accuracy[1] == 1
    if isinstance(small, DecisionTreeClassifier):
        print(f'leaves: {small.get_n_leaves()}, {large.get_n_leaves()}')
        assert [small.get_n_leaves(), large.get_n_leaves()] == [1, 2]
PY
