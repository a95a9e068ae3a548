"""How far PyTorch itself drifts from its float64 training runs when it computes in float32.

Follows the golden runs (`train-cnn`, `train-miniresnet`; see test/train/golden.test.ts) with PyTorch, from the stored
weights, in float64 and in float32 with one and two threads, and prints the relative deviation of every step's loss: the
bounds of test/train/golden.test.ts for devices of default precision.

Why float32 parts from float64: activations carry errors of 1e-6 to 4e-6, so of the 200,000 values of an early layer about
one per step falls to the other side of a relu. One such flip moves the gradient of a batch norm's bias by 0.3 %, and the
next step has ten. It is the sums that do it, not the storage: weights moved by as much as their rounding, and runs that
compute in float64 and round every activation, gradient, weight and momentum to float32, stay within 4e-3 for all twenty
steps. That is what devices of highest precision come to (`src/devices/kernel.ts`).

    python3 scripts/golden_drift.py GOLDEN_FOLDER [FASHION_MNIST_FOLDER]
"""

import gzip
import json
import struct
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

STEPS, BATCH = 20, 32
DTYPES = {"F32": np.float32, "I64": np.int64}


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(data[start:end], dtype=DTYPES[entry["dtype"]])
        tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return tensors


def convolution(inputs, outputs, stride=1):
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)]


def cnn():
    layers = []
    for channels in ((1, 8), (8, 8), None, (8, 16), (16, 16), None):
        layers += [*convolution(*channels), nn.ReLU()] if channels else [nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = convolution(inputs, outputs, stride)
        self.conv2, self.bn2 = convolution(outputs, outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Sequential()
            if same
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.shortcut(x))


def mini_resnet():
    return nn.Sequential(
        *convolution(1, 8),
        nn.ReLU(),
        Block(8, 8, 1),
        Block(8, 16, 2),
        Block(16, 32, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def read_idx(path, header):
    with gzip.open(path) as file:
        return np.frombuffer(file.read()[header:], dtype=np.uint8)


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


def deviations(build, golden, images, labels, dtype, perturbation=0.0, seed=0, stored=False):
    """Relative deviation of the loss from the recorded one, step by step."""
    generator = torch.Generator().manual_seed(seed)

    def initial(value):
        noise = torch.rand(value.shape, generator=generator, dtype=torch.float64) * 2 - 1
        return (value.double() * (1 + perturbation * noise)).to(dtype)

    model = build().to(dtype)
    weights = {name[5:]: initial(value) for name, value in golden.items() if name.startswith("init.")}
    model.load_state_dict(weights, strict=False)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    after_step = store_in_float32(model, optimizer) if stored else lambda: None
    model.train()
    result = []
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        x = (torch.from_numpy(images[rows].copy()).to(dtype) / 255 - 0.2860) / 0.3530
        x = Stored.apply(x) if stored else x
        y = torch.from_numpy(labels[rows].astype(np.int64))
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        after_step()
        recorded = golden["losses"][step].item()
        result.append(abs(loss.item() - recorded) / recorded)
    return result


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    golden_folder = sys.argv[1]
    data = sys.argv[2] if len(sys.argv) == 3 else "/usr/share/datasets/fashion-mnist"
    images = read_idx(f"{data}/train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    labels = read_idx(f"{data}/train-labels-idx1-ubyte.gz", 8)
    for file, build in (("train-cnn", cnn), ("train-miniresnet", mini_resnet)):
        golden = read_safetensors(f"{golden_folder}/{file}.safetensors")
        runs = [("float64", 1, torch.float64, 0.0, 0, False)]
        runs += [(f"float32, {threads} threads", threads, torch.float32, 0.0, 0, False) for threads in (1, 2)]
        runs += [
            (f"float64{', stored as float32' if stored else ''}, weights moved by up to 6e-8, seed {seed}",)
            + (1, torch.float64, 6e-8, seed, stored)
            for stored in (False, True)
            for seed in range(4)
        ]
        for name, threads, dtype, perturbation, seed, stored in runs:
            torch.set_num_threads(threads)
            run = deviations(build, golden, images, labels, dtype, perturbation, seed, stored)
            print(f"{file} {name}: worst of 5 {max(run[:5]):.1e}, of 20 {max(run):.1e};", " ".join(f"{v:.0e}" for v in run))


main()
