#!/usr/bin/env python3
"""PyTorch at the same operations as the other contenders of this benchmark.

    python3 bench/torch_baseline.py [--device cpu|cuda] [--threads N] [--seconds S]   all rows, as JSON
    python3 bench/torch_baseline.py --serve ...                                       for bench/peers/pytorch.ts

With --serve it reads one request a line, {"operation": {...}, "seconds": s} or {"drop": {...}}, and answers each with one
line, {"samples": [milliseconds, ...]} or {"error": "..."}: so that it can take turns with the others. With --memory NETWORK it
trains on one batch and prints MiB resident after the import and at most (for bench/memory.ts). Convolutions and
networks are channels_last; gradients of a convolution are single calls of the operator that backward uses. Debian's
python3-torch needs libopenblas0-openmp to be a fair opponent.
"""
import argparse
import json
import os
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument('--device', default='cpu')
parser.add_argument('--threads', type=int, default=os.cpu_count())
parser.add_argument('--seconds', type=float, default=2.0)
parser.add_argument('--serve', action='store_true')
parser.add_argument('--memory', metavar='NETWORK')
parser.add_argument('--batch', type=int, default=128)
parser.add_argument('--steps', type=int, default=30)
options = parser.parse_args()
device = options.device
torch.set_num_threads(options.threads)
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True


def sync():
    if device == 'cuda':
        torch.cuda.synchronize()


def conv_norm_relu(inputs, outputs):
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        same = inputs == outputs and stride == 1
        shortcut = [nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)]
        self.shortcut = nn.Sequential(*([] if same else shortcut))

    def forward(self, x):
        return F.relu(self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))) + self.shortcut(x))


NETWORKS = {
    'cnn': lambda: nn.Sequential(
        *conv_norm_relu(1, 32), *conv_norm_relu(32, 32), nn.MaxPool2d(2),
        *conv_norm_relu(32, 64), *conv_norm_relu(64, 64), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10)),
    'mini-resnet': lambda: nn.Sequential(
        *conv_norm_relu(1, 32), BasicBlock(32, 32, 1), BasicBlock(32, 64, 2), BasicBlock(64, 128, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)),
}


def rand(*shape):
    return torch.rand(*shape, device=device) - 0.5


def images(*shape):
    return rand(*shape).to(memory_format=torch.channels_last)


def matmul(o):
    a = rand(o['k'], o['m']).t() if o['transposeA'] else rand(o['m'], o['k'])
    b = rand(o['n'], o['k']).t() if o['transposeB'] else rand(o['k'], o['n'])
    out = torch.empty(o['m'], o['n'], device=device)
    return lambda: torch.mm(a, b, out=out)


def convolution(o):
    kernel, stride, padding = o['kernel'], [o['stride']] * 2, [o['padding']] * 2
    extent = (o['size'] + 2 * o['padding'] - kernel) // o['stride'] + 1
    x = images(o['batch'], o['inputs'], o['size'], o['size'])
    w = images(o['outputs'], o['inputs'], kernel, kernel)
    dy = images(o['batch'], o['outputs'], extent, extent)
    if o['kind'] == 'conv2d':
        return lambda: F.conv2d(x, w, None, stride, padding)
    mask = [o['kind'] == 'conv2dInputGradient', o['kind'] == 'conv2dWeightGradient', False]
    backward = torch.ops.aten.convolution_backward
    return lambda: backward(dy, x, w, None, stride, padding, [1, 1], False, [0, 0], 1, mask)


def network(o):
    model = NETWORKS[o['network']]().to(device).to(memory_format=torch.channels_last)
    x = (rand(o['batch'], 1, 28, 28) + 0.5).to(memory_format=torch.channels_last)
    if o['kind'] == 'infer':
        model.eval()
        return lambda: model(x)
    y = torch.randint(0, 10, (o['batch'],), device=device)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True)

    def step():
        optimizer.zero_grad(set_to_none=False)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return step


def prepare(o):
    kind = o['kind']
    if kind == 'matmul':
        return matmul(o)
    if kind.startswith('conv2d'):
        return convolution(o)
    if kind in ('infer', 'train'):
        return network(o)
    if kind in ('add', 'relu'):
        a, b = rand(o['length']), rand(o['length'])
        out = torch.empty_like(a)
        return (lambda: torch.add(a, b, out=out)) if kind == 'add' else (lambda: torch.relu(a))
    if kind == 'softmax':
        x = rand(o['rows'], o['classes'])
        return lambda: torch.softmax(x, 1)
    if kind == 'maxPool2d':
        x = images(o['batch'], o['channels'], o['size'], o['size'])
        return lambda: F.max_pool2d(x, 2)
    raise ValueError(f'no such operation: {kind}')


prepared = {}


def sample(operation, seconds):
    """Milliseconds per run, for `seconds`; short work is run several times per sample."""
    key = json.dumps(operation, sort_keys=True)
    with torch.enable_grad() if operation['kind'] == 'train' else torch.inference_mode():
        if key not in prepared:
            run = prepare(operation)
            run()
            fastest = float('inf')
            for _ in range(3):
                started = time.perf_counter()
                run()
                sync()
                fastest = min(fastest, time.perf_counter() - started)
            prepared[key] = run, max(1, min(2000, round(0.004 / max(fastest, 1e-7))))
        run, repeats = prepared[key]
        samples, end = [], time.perf_counter() + seconds
        while len(samples) < 2 or time.perf_counter() < end:
            started = time.perf_counter()
            for _ in range(repeats):
                run()
            sync()
            samples.append((time.perf_counter() - started) * 1e3 / repeats)
        return samples


def describe():
    where = torch.cuda.get_device_name() if device == 'cuda' else f'{torch.get_num_threads()} threads'
    return f'PyTorch {torch.__version__}, {where}, channels_last'


def serve():
    print(json.dumps({'description': describe()}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if 'drop' in request:
                prepared.pop(json.dumps(request['drop'], sort_keys=True), None)
                answer = {'samples': []}
            else:
                answer = {'samples': sample(request['operation'], request['seconds'])}
        except Exception as error:  # the other side decides what a failure means
            answer = {'error': f'{type(error).__name__}: {error}'.splitlines()[0]}
        print(json.dumps(answer), flush=True)


def all_rows():
    operations = [{'kind': 'matmul', 'm': n, 'n': n, 'k': n, 'transposeA': False, 'transposeB': False}
                  for n in (256, 512, 1024)]
    operations += [{'kind': kind, 'batch': 128, 'size': size, 'inputs': inputs, 'outputs': outputs, 'kernel': 3,
                    'stride': 1, 'padding': 1}
                   for kind in ('conv2d', 'conv2dInputGradient', 'conv2dWeightGradient')
                   for size, inputs, outputs in ((28, 32, 32), (28, 32, 64), (14, 64, 64), (7, 128, 128))]
    operations += [{'kind': kind, 'network': name, 'batch': 128} for kind in ('train', 'infer') for name in NETWORKS]
    rows = []
    for operation in operations:
        samples = sorted(sample(operation, options.seconds))
        rows.append({'operation': operation, 'median_ms': samples[len(samples) // 2], 'best_ms': samples[0],
                     'samples': len(samples)})
    json.dump({'description': describe(), 'rows': rows}, sys.stdout, indent=1)
    print()


def resident(name):
    with open('/proc/self/status') as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name))


def memory():
    imported = resident('VmRSS')
    step = network({'kind': 'train', 'network': options.memory, 'batch': options.batch})
    for _ in range(options.steps):
        step()
    json.dump({'imported': imported, 'peak': resident('VmHWM')}, sys.stdout)


if options.serve:
    serve()
elif options.memory:
    memory()
else:
    all_rows()
