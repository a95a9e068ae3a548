"""Expected values for the tests of src/train: metrics, calibration, ranks and comparison of models.

Made with scikit-learn and SciPy, and where these have no such function, with NumPy straight from the definition:

    python3 scripts/expected-metrics.py > test/train/expected-metrics.json
    npx biome format --write test/train/expected-metrics.json

Debian 12: python3-sklearn 1.2.1, python3-scipy 1.10.1, python3-numpy 1.24.2.
"""

import json

import numpy as np
import scipy
import scipy.optimize
import scipy.special
import scipy.stats
import sklearn
from sklearn import metrics

random = np.random.default_rng(20170831)


def report(labels, predicted, classes):
    every = list(range(classes))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=every, zero_division=0
    )

    def average(kind):
        p, r, f, _ = metrics.precision_recall_fscore_support(
            labels, predicted, labels=every, average=kind, zero_division=0
        )
        return {"precision": p, "recall": r, "f1": f}

    return {
        "confusion": metrics.confusion_matrix(labels, predicted, labels=every).tolist(),
        "accuracy": metrics.accuracy_score(labels, predicted),
        "perClass": [
            {"precision": p, "recall": r, "f1": f, "support": int(s)}
            for p, r, f, s in zip(precision, recall, f1, support)
        ],
        "macro": average("macro"),
        "weighted": average("weighted"),
    }


def reliability(probabilities, labels, bins=15):
    """Bin m holds the confidences in ((m - 1) / M, m / M] (Guo et al. 2017)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    where = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    table = []
    for m in range(bins):
        inside = where == m
        table.append(
            {
                "count": int(inside.sum()),
                "confidence": confidence[inside].mean() if inside.any() else None,
                "accuracy": right[inside].mean() if inside.any() else None,
            }
        )
    ece = sum(b["count"] * abs(b["accuracy"] - b["confidence"]) for b in table if b["count"]) / len(labels)
    return table, ece


def classifier(images, classes, skip_label=None, mute_class=None, sharpness=2.5):
    """Logits with two decimals that are right about three times in four and too sure of themselves."""
    labels = random.integers(0, classes, images)
    if skip_label is not None:
        labels[labels == skip_label] = (skip_label + 1) % classes
    logits = random.normal(0, 1, (images, classes))
    logits[np.arange(images), labels] += 1.6
    if mute_class is not None:
        logits[:, mute_class] -= 12
    logits = np.round(logits * sharpness, 2)
    probabilities = scipy.special.softmax(logits, axis=1)
    one_hot = np.eye(classes)[labels]
    table, ece = reliability(probabilities, labels)

    def nll(beta):
        return float(np.mean(scipy.special.logsumexp(logits * beta, axis=1) - logits[np.arange(images), labels] * beta))

    fit = scipy.optimize.minimize_scalar(nll, bounds=(0.02, 50), method="bounded", options={"xatol": 1e-12})
    predicted = logits.argmax(axis=1)
    hits = int((predicted == labels).sum())
    interval = scipy.stats.binomtest(hits, images).proportion_ci(method="wilson")
    return {
        "classes": classes,
        "logits": logits.ravel().tolist(),
        "labels": labels.tolist(),
        **report(labels, predicted, classes),
        "ci95": [interval.low, interval.high],
        "top2": metrics.top_k_accuracy_score(labels, logits, k=2, labels=list(range(classes))),
        "top3": metrics.top_k_accuracy_score(labels, logits, k=3, labels=list(range(classes))),
        "nll": metrics.log_loss(labels, probabilities, labels=list(range(classes))),
        "brier": float(((probabilities - one_hot) ** 2).sum(axis=1).mean()),
        "ece": ece,
        "reliability": table,
        "temperature": 1 / fit.x,
        "nllAtTemperature": fit.fun,
    }


def binary_brier():
    """scikit-learn has the two-class Brier score: half of ours."""
    probability = np.round(random.uniform(0.01, 0.99, 40), 2)
    labels = (random.uniform(size=40) < probability).astype(int)
    return {
        "probability": probability.tolist(),
        "labels": labels.tolist(),
        "brier": metrics.brier_score_loss(labels, probability),
    }


def detection(positives, negatives):
    labels = np.r_[np.ones(len(positives)), np.zeros(len(negatives))]
    scores = np.r_[positives, negatives]
    fpr, tpr, _ = metrics.roc_curve(labels, scores, drop_intermediate=False)
    return {
        "positives": list(positives),
        "negatives": list(negatives),
        "auroc": metrics.roc_auc_score(labels, scores),
        "aupr": metrics.average_precision_score(labels, scores),
        "fprAt95": fpr[tpr >= 0.95].min(),
    }


def spearman(a, b):
    return {
        "a": list(a),
        "b": list(b),
        "rho": scipy.stats.spearmanr(a, b)[0],
        "ranks": scipy.stats.rankdata(a).tolist(),
    }


def mcnemar(b, c):
    p = scipy.stats.binomtest(b, b + c).pvalue if b + c else 1.0
    return {"onlyFirst": b, "onlySecond": c, "pValue": p}


def student(level, freedom):
    return {"level": level, "freedom": freedom, "reach": scipy.stats.t.ppf((1 + level) / 2, freedom)}


def wilson(hits, trials):
    interval = scipy.stats.binomtest(hits, trials).proportion_ci(method="wilson")
    return {"hits": hits, "trials": trials, "low": interval.low, "high": interval.high}


expected = {
    "madeWith": f"scikit-learn {sklearn.__version__}, SciPy {scipy.__version__}, NumPy {np.__version__}",
    "classifiers": [
        {"name": "five classes", **classifier(120, 5)},
        {"name": "a class without images, a class never predicted", **classifier(90, 6, 2, 4)},
        {"name": "three classes, unsure", **classifier(60, 3, sharpness=0.4)},
    ],
    "binaryBrier": binary_brier(),
    "detection": [
        detection(random.normal(1, 1, 60).tolist(), random.normal(0, 1, 45).tolist()),
        detection(random.integers(2, 9, 70).tolist(), random.integers(0, 7, 55).tolist()),
        detection([1, 1, 1], [1, 1]),
        detection([3, 4], [1, 2]),
        detection([1, 2], [3, 4]),
    ],
    "spearman": [
        spearman([-1, 1, 1], [0, 0, 2]),
        spearman(random.normal(size=30).tolist(), random.normal(size=30).tolist()),
        spearman(random.integers(0, 6, 40).tolist(), random.integers(0, 4, 40).tolist()),
    ],
    "mcnemar": [mcnemar(*pair) for pair in [(0, 0), (1, 0), (3, 9), (12, 12), (5, 20), (13, 12), (20, 20), (40, 71), (300, 200), (900, 10), (0, 24), (0, 25), (2, 30), (0, 1000), (2900, 3100)]],
    "wilson": [wilson(*pair) for pair in [(0, 10), (10, 10), (5, 10), (9437, 10000), (1, 318)]],
    "student": [student(*pair) for pair in [(0.95, 4), (0.95, 1), (0.95, 28), (0.99, 9), (0.5, 2), (0.999, 15)]],
}


def plain(value):
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(type(value))


print(json.dumps(expected, default=plain, separators=(",", ":")))
