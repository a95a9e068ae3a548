"""Expected factors of learning-rate schedules for test/nn/schedules.test.ts, from torch.optim.lr_scheduler.

    python3 scripts/expected-schedules.py > test/nn/expected-schedules.json
    npx biome format --write test/nn/expected-schedules.json

Debian 12: python3-torch 1.13.1.
"""

import json

import torch
from torch.optim import lr_scheduler


def factors(make, steps):
    """The factor of the peak rate 1 in each step."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = make(optimizer)
    out = []
    for _ in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return out


def one_cycle(rise, steps):
    # The scheduler refuses a call after its last step.
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=steps, pct_start=rise)
    out = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps - 1):
        optimizer.step()
        scheduler.step()
        out.append(optimizer.param_groups[0]["lr"])
    return out


print(
    json.dumps(
        {
            "oneCycle": [
                {"rise": rise, "factors": one_cycle(rise, steps)}
                for rise, steps in [(0.3, 1), (0.3, 2), (0.3, 3), (0.3, 5), (0.3, 10), (0.3, 50), (0.45, 9), (0.0, 4), (1.0, 4)]
            ],
            "step": [
                {
                    "milestones": [at / steps for at in milestones],
                    "factors": factors(lambda o: lr_scheduler.MultiStepLR(o, milestones, 0.1), steps),
                }
                for milestones, steps in [([55], 100), ([7], 100), ([14], 50), ([28], 200), ([10, 15], 20), ([29, 58], 100)]
            ],
            "cosine": [
                {"final": final, "factors": factors(lambda o: lr_scheduler.CosineAnnealingLR(o, steps, final), steps)}
                for final, steps in [(0.0, 1), (0.0, 7), (0.1, 20)]
            ],
            "linear": [
                {"final": final, "factors": factors(lambda o: lr_scheduler.LinearLR(o, 1.0, final, steps), steps)}
                for final, steps in [(0.0, 1), (0.0, 7), (0.25, 20)]
            ],
        }
    )
)
