"""Makes the golden values of the tests: operations, gradients, optimizers and two training runs of PyTorch in float64.

    python3 scripts/golden_values.py && npx biome format --write test/golden

writes test/golden/operations.json and test/golden/training.json, which name the version that made them (PyTorch 1.13,
Debian's python3-torch, and NumPy). Inputs are rounded to float32 first, so that every device can read them exactly; results
are kept with the nine digits that tell any two float32 apart. Layouts are PyTorch's: images [N, C, H, W], filters
[outputs, inputs / groups, kh, kw], linear weights [outputs, inputs].

The training runs start from weights that are counted, not stored (`initial_state`, and `initialState` in
test/support/golden.ts), on the first 640 training images of assets/fashion-mnist-sample.
"""

import base64
import gzip
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

REPOSITORY = Path(__file__).resolve().parent.parent
STEPS, BATCH, JUDGED = 20, 32, 16


# Operations


def normal(seed, *shape, scale=1.0, offset=0.0):
    """Normal numbers that float32 holds exactly."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(*shape, generator=generator, dtype=torch.float64) * scale + offset).float().double()


def digits(tensor):
    return [float(f"{value:.9g}") for value in tensor.detach().double().flatten().tolist()]


def entry(name, op, options, **tensors):
    stored = {key: {"shape": list(value.shape), "values": digits(value)} for key, value in tensors.items()}
    return {"name": name, "op": op, **options, "tensors": stored}


def with_gradients(seed, y, inputs):
    """An upstream gradient for y, and what it gives for the inputs."""
    gy = normal(seed, *y.shape)
    return gy, torch.autograd.grad(y, inputs, gy)


CONVOLUTIONS = [
    # x, filters, stride, padding, dilation, groups
    ((2, 3, 6, 7), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 1, 12, 12), (4, 1, 5, 5), (1, 1), (2, 2), (1, 1), 1),
    ((3, 4, 5, 5), (6, 4, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 4, 9, 8), (4, 4, 3, 3), (2, 2), (1, 1), (1, 1), 1),
    ((2, 4, 7, 6), (8, 2, 3, 2), (2, 1), (1, 0), (1, 1), 2),
    ((1, 4, 9, 9), (4, 4, 3, 3), (1, 1), (2, 2), (2, 2), 1),
    ((2, 6, 5, 5), (6, 1, 3, 3), (1, 1), (1, 1), (1, 1), 6),
    ((1, 8, 8, 8), (8, 8, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((2, 5, 6, 6), (7, 5, 2, 2), (2, 2), (0, 0), (1, 1), 1),
    ((1, 3, 16, 5), (2, 3, 7, 1), (3, 1), (3, 0), (1, 1), 1),
]


def convolutions():
    for number, (x_shape, w_shape, stride, padding, dilation, groups) in enumerate(CONVOLUTIONS):
        seed = 100 * number
        x, w, b = (normal(seed, *x_shape), normal(seed + 1, *w_shape, scale=0.3), normal(seed + 2, w_shape[0]))
        for tensor in (x, w, b):
            tensor.requires_grad_()
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        y = F.conv2d(x, w, b, **options)
        gy, (gx, gw, gb) = with_gradients(seed + 3, y, (x, w, b))
        yield entry(f"conv2d-{number}", "conv2d", options, x=x, w=w, b=b, y=y, gy=gy, gx=gx, gw=gw, gb=gb)


BATCH_NORMS = [
    # x, momentum, epsilon, mean of x: in float32, E[x^2] - E[x]^2 loses all digits of the variance in the second case
    ((4, 3, 5, 6), 0.1, 1e-5, 0.0),
    ((8, 5, 4, 4), 0.1, 1e-5, 50.0),
    ((2, 7, 1, 1), 0.3, 1e-3, 0.0),
    ((16, 10), 0.1, 1e-5, 0.0),
]


def batch_norms():
    for number, (shape, momentum, eps, mean) in enumerate(BATCH_NORMS):
        seed, channels = 2000 + 100 * number, shape[1]
        gamma, beta = normal(seed + 1, channels, scale=0.5, offset=1), normal(seed + 2, channels)
        running_mean = normal(seed + 3, channels, scale=0.5, offset=mean)
        running_var = normal(seed + 4, channels).abs() + 0.5
        running_var = running_var.float().double()
        tensors = {"x": normal(seed, *shape, offset=mean), "gamma": gamma, "beta": beta}
        tensors |= {"running_mean": running_mean.clone(), "running_var": running_var.clone()}
        for training, suffix in ((False, "_eval"), (True, "")):
            inputs = [tensors[key].clone().requires_grad_() for key in ("x", "gamma", "beta")]
            x, weight, bias = inputs
            y = F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
            gy, gradients = with_gradients(seed + 5 + training, y, inputs)
            named = dict(zip(("gx", "ggamma", "gbeta"), gradients)) | {"y": y, "gy": gy}
            tensors |= {key + suffix: value for key, value in named.items()}
        tensors |= {"running_mean_after": running_mean, "running_var_after": running_var}
        yield entry(f"batchnorm-{number}", "batch_norm", {"momentum": momentum, "eps": eps}, **tensors)


POOLS = [((2, 3, 8, 8), 2, 2, 0), ((1, 4, 9, 7), 3, 2, 1), ((2, 2, 6, 6), 3, 1, 1)]


def pools():
    """Images below zero (a window's maximum is none of the padding's zeros) and full of ties (the first maximum wins)."""
    for op, pool in (("max_pool2d", F.max_pool2d), ("avg_pool2d", F.avg_pool2d)):
        for number, (shape, kernel, stride, padding) in enumerate(POOLS):
            x = torch.floor(normal(3000 + number, *shape) * 2) - 9
            x.requires_grad_()
            y = pool(x, kernel, stride, padding)
            gy, (gx,) = with_gradients(3100 + number, y, (x,))
            options = {"kernel": kernel, "stride": stride, "padding": padding}
            yield entry(f"{op}-{number}", op, options, x=x, y=y, gy=gy, gx=gx)


PRODUCTS = [((5, 7), (7, 3)), ((2, 3, 4, 5), (5, 6)), ((2, 1, 4, 9), (3, 9, 5)), ((1, 100), (100, 1))]


def products():
    for number, shapes in enumerate(PRODUCTS):
        x, w = (normal(4000 + 10 * number + k, *shape).requires_grad_() for k, shape in enumerate(shapes))
        y = x @ w
        gy, (gx, gw) = with_gradients(4500 + number, y, (x, w))
        yield entry(f"matmul-{number}", "matmul", {}, x=x, w=w, y=y, gy=gy, gx=gx, gw=gw)


def cross_entropies():
    for number, (rows, classes, smoothing, scale) in enumerate(((7, 10, 0.0, 3), (7, 10, 0.1, 3), (3, 5, 0.2, 500))):
        x = normal(5000 + number, rows, classes, scale=scale).requires_grad_()
        target = torch.arange(rows) * 3 % classes
        loss = F.cross_entropy(x, target, label_smoothing=smoothing)
        (gx,) = torch.autograd.grad(loss, x)
        tensors = {"x": x, "target": target, "loss": loss, "gx": gx, "log_softmax": F.log_softmax(x, 1)}
        yield entry(f"crossentropy-{number}", "cross_entropy", {"label_smoothing": smoothing}, **tensors)


ACTIVATIONS = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
}


def activations():
    edges = torch.tensor([0.0, -0.0, 1.0, -1.0, 20.0, -20.0, 90.0, -90.0], dtype=torch.float64)
    for number, (op, function) in enumerate(ACTIVATIONS.items()):
        x = torch.cat([normal(6000 + number, 32, scale=3), edges]).requires_grad_()
        y = function(x)
        gy, (gx,) = with_gradients(6100 + number, y, (x,))
        yield entry(f"activation-{op}", op, {}, x=x, y=y, gy=gy, gx=gx)


OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"lr": 0.1}),
    "sgd-momentum": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.0005}),
    "sgd-nesterov": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0005}),
    "adam": (torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.01}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01, "betas": [0.8, 0.95], "weight_decay": 0.1}),
}


def optimizers():
    for number, (kind, (make, options)) in enumerate(OPTIMIZERS.items()):
        start, gradients = normal(7000 + number, 13), normal(7100 + number, 12, 13)
        parameter = start.clone().requires_grad_()
        optimizer, trajectory = make([parameter], **options), []
        for gradient in gradients:
            parameter.grad = gradient.clone()
            optimizer.step()
            trajectory.append(parameter.detach().clone())
        tensors = {"p0": start, "grads": gradients, "trajectory": torch.stack(trajectory)}
        yield entry(f"optimizer-{kind}", "optimizer", {"kind": kind, "options": options}, **tensors)


def operations():
    makers = (convolutions, batch_norms, pools, products, cross_entropies, activations, optimizers)
    return [case for make in makers for case in make()]


# Training runs


def convolution(inputs, outputs, stride=1):
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)]


def cnn():
    layers = []
    for channels in ((1, 8), (8, 8), None, (8, 16), (16, 16), None):
        layers += [*convolution(*channels), nn.ReLU()] if channels else [nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10))


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


NETWORKS = {"cnn": cnn, "mini-resnet": mini_resnet}


# From here PyTorch's own float32 follows its float64 for five steps; from 1, 4 and 5 it does not (scripts/golden_drift.py).
START = 2


def uniforms(count, state=START):
    """Numbers in [0, 1) by the linear congruential generator of Numerical Recipes: 24 bits, the same in any language."""
    while count > 0:
        state = (1664525 * state + 1013904223) % 2**32
        yield (state >> 8) / 2**24
        count -= 1


def initial_state(model, start=START):
    """Weights in the order of the state dictionary, rounded to float32; running statistics start at 0 and 1."""
    entries = [(name, value) for name, value in model.state_dict().items() if "running" not in name and "num" not in name]
    numbers = uniforms(sum(value.numel() for _, value in entries), start)
    state = {}
    for name, value in entries:
        if value.dim() > 1:
            bound = 1 / math.sqrt(value.numel() // value.shape[0])  # PyTorch's own, by the inputs of one output
            low, width = -bound, 2 * bound
        else:
            low, width = (0.5, 1.0) if name.endswith("weight") else (-0.25, 0.5)
        flat = [low + width * next(numbers) for _ in range(value.numel())]
        state[name] = torch.from_numpy(np.float32(flat).astype(np.float64)).reshape(value.shape)
    return state


def sample():
    """Images [N, 1, 28, 28] and labels of the sample that comes with the repository."""

    def read(name, header):
        with gzip.open(REPOSITORY / "assets/fashion-mnist-sample" / name) as file:
            return np.frombuffer(file.read()[header:], dtype=np.uint8)

    images = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    return images, read("train-labels-idx1-ubyte.gz", 8)


def normalized(images, dtype=torch.float64):
    return (torch.from_numpy(images.copy()).to(dtype) / 255 - 0.2860) / 0.3530


def optimizer_for(model):
    return torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)


def loss_of(model, images, labels, step, dtype=torch.float64):
    rows = slice(step * BATCH, (step + 1) * BATCH)
    return F.cross_entropy(
        model(normalized(images[rows], dtype)),
        torch.from_numpy(labels[rows].astype(np.int64)),
        label_smoothing=0.1,
    )


def training_run(build, start=START):
    images, labels = sample()
    model = build().double()
    initial = initial_state(model, start)
    model.load_state_dict(initial, strict=False)
    optimizer = optimizer_for(model)
    model.train()
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, images, labels, step)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    after = {name: value for name, value in model.state_dict().items() if "num_batches" not in name}
    model.eval()
    logits = model(normalized(images[-JUDGED:]))
    return {
        "losses": losses,
        "after": [
            {
                "name": name,
                "shape": list(value.shape),
                "float32": base64.b64encode(value.numpy().astype("<f4").tobytes()).decode(),
            }
            for name, value in after.items()
        ],
        "logits": digits(logits),
    }


def write(name, values, by="scripts/golden_values.py"):
    versions = {"torch": torch.__version__, "numpy": np.__version__}
    path = REPOSITORY / "test/golden" / name
    path.write_text(json.dumps({"made by": by, **versions, **values}) + "\n")
    print(f"{path.relative_to(REPOSITORY)}: {path.stat().st_size} bytes")


def main():
    write("operations.json", {"cases": operations()})
    runs = {name: training_run(build) for name, build in NETWORKS.items()}
    write("training.json", {"steps": STEPS, "batch": BATCH, "judged": JUDGED, "networks": runs})


if __name__ == "__main__":
    main()
