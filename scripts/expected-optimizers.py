"""Expected parameters for test/nn/optimizers.test.ts, from torch.optim in float64.

Three parameters of a model take steps; in some a parameter gets no gradient (torch's None). Gradients are written down
here, so that both sides see the same.

    python3 scripts/expected-optimizers.py > test/nn/expected-optimizers.json
    npx biome format --write test/nn/expected-optimizers.json

Debian 12: python3-torch 1.13.1.
"""

import json
import math

import torch
from torch import optim

START = {"a": [0.5, -1.0, 2.0], "b": [1.5, -0.25], "c": [0.75, 0.125, -2.0, 1.0]}
STEPS = 8
# After so many steps the parameters are written down.
SEEN = (4, STEPS)
# Which parameters the backward pass reaches in each step: all of them, then without one or two, one from the middle on.
REACHED = {
    "all": ["abc"] * STEPS,
    "frozen first": ["bc"] * STEPS,
    "unfrozen later": ["c"] * 3 + ["bc"] * 2 + ["abc"] * 3,
    "now and then": ["abc", "ac", "b", "", "abc", "a", "c", "abc"],
}


def gradient(name, step, length):
    return [round(math.sin(1 + 3 * step + 0.7 * i + ord(name)), 6) for i in range(length)]


OPTIMIZERS = {
    "SGD": lambda groups, shared: optim.SGD(groups, **shared),
    "Adam": lambda groups, shared: optim.Adam(groups, **shared),
    "AdamW": lambda groups, shared: optim.AdamW(groups, **shared),
}
# (name, options shared by all, options of b's own group)
CASES = [
    ("SGD", {"lr": 0.1, "weight_decay": 0.05}, None),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}, None),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.05}, {"lr": 0.02, "weight_decay": 0.0}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.05, "betas": (0.8, 0.95)}, None),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.1}, {"lr": 0.2, "weight_decay": 0.3}),
]


def run(name, shared, own, reached):
    parameters = {key: torch.tensor(value, dtype=torch.float64, requires_grad=True) for key, value in START.items()}
    groups = [{"params": list(parameters.values())}]
    if own is not None:
        groups = [{"params": [parameters["a"], parameters["c"]]}, {"params": [parameters["b"]], **own}]
    optimizer = OPTIMIZERS[name](groups, shared)
    out = {}
    for step, names in enumerate(reached):
        for key, parameter in parameters.items():
            values = gradient(key, step, len(START[key]))
            parameter.grad = torch.tensor(values, dtype=torch.float64) if key in names else None
        optimizer.step()
        if step + 1 in SEEN:
            out[str(step + 1)] = {key: parameter.tolist() for key, parameter in parameters.items()}
    return out


print(
    json.dumps(
        {
            "start": START,
            "gradients": {key: [gradient(key, s, len(value)) for s in range(STEPS)] for key, value in START.items()},
            "cases": [
                {"optimizer": name, "shared": shared, "own": own, "pattern": pattern, "reached": reached,
                 "after": run(name, shared, own, reached)}
                for name, shared, own in CASES
                for pattern, reached in REACHED.items()
            ],
        }
    )
)
