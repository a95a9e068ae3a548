"""How far PyTorch itself drifts from its float64 training runs when it computes in float32.

Follows the golden runs (scripts/golden_values.py, test/train/golden.test.ts) with PyTorch, from the same weights, in float64
and in float32 with one and two threads, and prints the relative deviation of every step's loss: the bounds of
test/train/golden.test.ts for devices of default precision.

Why float32 parts from float64: activations carry errors of 1e-6 to 4e-6, so of the 200,000 values of an early layer about
one per step falls to the other side of a relu. One such flip moves the gradient of a batch norm's bias by 0.3 %, and the
next step has ten. It is the sums that do it more than the storage: runs that compute in float64, but start from weights
moved by as much as their rounding or round every activation, gradient, weight and momentum to float32, have fewer such
events. In twenty steps of the CNN they come 8e-3 away (float32: 2e-2), and of the Mini ResNet seven in eight stay within
2e-5 (float32: 9e-3). That is what devices of highest precision come to (`src/devices/kernel.ts`).

    python3 scripts/golden_drift.py
"""

import json

import torch

from golden_values import NETWORKS, REPOSITORY, STEPS, initial_state, loss_of, optimizer_for, sample


class Stored(torch.autograd.Function):
    """Rounds a float64 tensor to float32 and back, and its gradient too."""

    @staticmethod
    def forward(_, x):
        return x.float().double()

    @staticmethod
    def backward(_, gradient):
        return gradient.float().double()


def store_in_float32(model, optimizer):
    """Rounds all that a float32 device keeps in memory between two operations."""
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda _module, _inputs, output: Stored.apply(output))
    for parameter in model.parameters():
        parameter.register_hook(lambda gradient: gradient.float().double())

    def after_step(*_):
        with torch.no_grad():
            for parameter in model.parameters():
                for kept in (parameter, optimizer.state[parameter]["momentum_buffer"]):
                    kept.copy_(kept.float().double())

    return after_step


def deviations(build, recorded, images, labels, dtype, perturbation=0.0, seed=0, stored=False):
    """Relative deviation of the loss from the recorded one, step by step."""
    generator = torch.Generator().manual_seed(seed)

    def initial(value):
        noise = torch.rand(value.shape, generator=generator, dtype=torch.float64) * 2 - 1
        return (value.double() * (1 + perturbation * noise)).to(dtype)

    model = build().double()
    weights = {name: initial(value) for name, value in initial_state(model).items()}
    model = model.to(dtype)
    model.load_state_dict(weights, strict=False)
    optimizer = optimizer_for(model)
    after_step = store_in_float32(model, optimizer) if stored else lambda: None
    if stored:
        model.register_forward_pre_hook(lambda _module, inputs: tuple(Stored.apply(x) for x in inputs))
    model.train()
    result = []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, images, labels, step, dtype)
        loss.backward()
        optimizer.step()
        after_step()
        result.append(abs(loss.item() - recorded[step]) / recorded[step])
    return result


def main():
    images, labels = sample()
    golden = json.loads((REPOSITORY / "test/golden/training.json").read_text())
    for name, build in NETWORKS.items():
        recorded = golden["networks"][name]["losses"]
        runs = [("float64", 1, torch.float64, 0.0, 0, False)]
        runs += [(f"float32, {threads} threads", threads, torch.float32, 0.0, 0, False) for threads in (1, 2)]
        runs += [
            (f"float64{', stored as float32' if stored else ''}, weights moved by up to 6e-8, seed {seed}",)
            + (1, torch.float64, 6e-8, seed, stored)
            for stored in (False, True)
            for seed in range(4)
        ]
        for what, threads, dtype, perturbation, seed, stored in runs:
            torch.set_num_threads(threads)
            run = deviations(build, recorded, images, labels, dtype, perturbation, seed, stored)
            print(f"{name} {what}: worst of 5 {max(run[:5]):.1e}, of 20 {max(run):.1e};", " ".join(f"{v:.0e}" for v in run))


main()
