"""Makes expected-programs.json: the values, first and second derivatives of random programs by PyTorch 1.13 in float64.

    npx tsx test/autograd/write-programs.ts | python3 test/autograd/expected-programs.py > test/autograd/expected-programs.json

programs.ts says what a program is and what its three results are. weft's layouts (images NHWC, filters HWIO) are kept in
the values; they are changed around each convolution and pooling only.
"""
import json
import sys

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def mix(n):
    x = n & 0xFFFFFFFF
    for _ in range(2):
        x = ((x ^ (x >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    return x ^ (x >> 16)


def values(shape, seed, kind):
    size = 1
    for extent in shape:
        size *= extent
    units = [(mix(seed * 7919 + i * 104729 + 1) >> 11) / 2**21 for i in range(size)]
    return torch.tensor([2 * u - 1 if kind == 'both' else u + 0.25 for u in units]).reshape(shape)


def to_nchw(x):
    return x.permute(0, 3, 1, 2)


def to_nhwc(x):
    return x.permute(0, 2, 3, 1)


def activated(y, a):
    return torch.relu(y) if a['activation'] == 'relu' else y


def conv2d(x, a):
    top, bottom, left, right = a['padding']
    image = F.pad(to_nchw(x[0]), (left, right, top, bottom)).contiguous()
    bias = x[2] if len(x) > 2 else None
    filters = x[1].permute(3, 2, 0, 1).contiguous()
    return activated(to_nhwc(F.conv2d(image, filters, bias, a['stride'], 0, a['dilation'], a['groups'])), a)


def matmul(x, a):
    left = x[0].transpose(-1, -2) if a['transposeA'] else x[0]
    right = x[1].transpose(-1, -2) if a['transposeB'] else x[1]
    y = left @ right
    return activated(y + x[2] if len(x) > 2 else y, a)


def batch_norm(x, a):
    value = x[0]
    if a['training']:
        axes = tuple(range(value.dim() - 1))
        mean, variance = value.mean(axes), value.var(axes, unbiased=False)
    else:
        mean, variance = torch.tensor(a['mean']), torch.tensor(a['variance'])
    y = (value - mean) / torch.sqrt(variance + 1e-5) * x[1] + x[2]
    return activated(y + x[3] if len(x) > 3 else y, a)


def max_pool(x, a):
    return to_nhwc(F.max_pool2d(to_nchw(x[0]), a['kernel'], a['stride'], a['padding']))


def avg_pool(x, a):
    args = (a['kernel'], a['stride'], a['padding'])
    return to_nhwc(F.avg_pool2d(to_nchw(x[0]), *args, count_include_pad=a['countPadding']))


def cross_entropy(x, a):
    labels = torch.tensor(a['labels'])
    return F.cross_entropy(x[0], labels, reduction=a['reduction'], label_smoothing=a['smoothing'])


def scatter_add(x, a):
    shape = list(x[0].shape)
    shape[a['axis']] = a['size']
    return torch.zeros(shape).index_add(a['axis'], torch.tensor(a['indices']), x[0])


def pad(x, a):
    sides = [side for pair in zip(reversed(a['before']), reversed(a['after'])) for side in pair]
    return F.pad(x[0], sides, value=a['value'])


def sliced(x, a):
    return x[0][tuple(slice(start, start + size) for start, size in zip(a['starts'], a['sizes']))]


def product(x, a):
    y = x[0]
    for axis in sorted(a['axes'], reverse=True):
        y = y.prod(axis, keepdim=a['keep'])
    return y


OPERATIONS = {
    'add': lambda x, a: x[0] + x[1],
    'sub': lambda x, a: x[0] - x[1],
    'mul': lambda x, a: x[0] * x[1],
    'div': lambda x, a: x[0] / x[1],
    'pow': lambda x, a: torch.pow(x[0], x[1]),
    'maximum': lambda x, a: torch.maximum(x[0], x[1]),
    'minimum': lambda x, a: torch.minimum(x[0], x[1]),
    'affine': lambda x, a: x[0] * a['scale'] + a['shift'],
    'clamp': lambda x, a: x[0].clamp(a['low'], a['high']),
    'where': lambda x, a: torch.where(x[0] > a['above'], x[0], x[1]),
    'clone': lambda x, a: x[0].clone(),
    'reshape': lambda x, a: x[0].reshape(a['shape']),
    'transpose': lambda x, a: x[0].permute(a['perm']),
    'slice': sliced,
    'flip': lambda x, a: x[0].flip(a['axes']),
    'concat': lambda x, a: torch.cat(x, a['axis']),
    'stack': lambda x, a: torch.stack(x, a['axis']),
    'pad': pad,
    'gather': lambda x, a: x[0].index_select(a['axis'], torch.tensor(a['indices'])),
    'scatterAdd': scatter_add,
    'sum': lambda x, a: x[0].sum(a['axes'], keepdim=a['keep']),
    'mean': lambda x, a: x[0].mean(a['axes'], keepdim=a['keep']),
    'max': lambda x, a: x[0].amax(a['axes'], keepdim=a['keep']),
    'min': lambda x, a: x[0].amin(a['axes'], keepdim=a['keep']),
    'prod': product,
    'sumOfSquares': lambda x, a: (x[0] * x[0]).sum(a['axes'], keepdim=a['keep']),
    'variance': lambda x, a: x[0].var(a['axes'], unbiased=a['unbiased'], keepdim=a['keep']),
    'matmul': matmul,
    'conv2d': conv2d,
    'batchNorm': batch_norm,
    'maxPool2d': max_pool,
    'avgPool2d': avg_pool,
    'globalAveragePool': lambda x, a: x[0].mean((1, 2)),
    'softmax': lambda x, a: torch.softmax(x[0], -1),
    'logSoftmax': lambda x, a: torch.log_softmax(x[0], -1),
    'crossEntropy': cross_entropy,
    'crossEntropySoft': lambda x, a: F.cross_entropy(x[0], x[1], label_smoothing=a['smoothing']),
    'relu': lambda x, a: torch.relu(x[0]),
    'leakyRelu': lambda x, a: F.leaky_relu(x[0], a['alpha']),
    'elu': lambda x, a: F.elu(x[0], a['alpha']),
    'gelu': lambda x, a: F.gelu(x[0]),
    'silu': lambda x, a: F.silu(x[0]),
    'tanh': lambda x, a: torch.tanh(x[0]),
    'sigmoid': lambda x, a: torch.sigmoid(x[0]),
    # F.softplus is linear beyond 20.
    'softplus': lambda x, a: torch.logaddexp(x[0], torch.zeros(())),
    'log': lambda x, a: torch.log(x[0]),
    'sqrt': lambda x, a: torch.sqrt(x[0]),
    'rsqrt': lambda x, a: torch.rsqrt(x[0]),
    'square': lambda x, a: torch.square(x[0]),
    'abs': lambda x, a: torch.abs(x[0]),
    'neg': lambda x, a: -x[0],
    'reciprocal': lambda x, a: torch.reciprocal(x[0]),
    'sin': lambda x, a: torch.sin(x[0]),
    'cos': lambda x, a: torch.cos(x[0]),
    'erf': lambda x, a: torch.erf(x[0]),
}


def run(program):
    leaves = [values(**leaf).requires_grad_() for leaf in program['leaves']]
    held = list(leaves)
    for step in program['steps']:
        held.append(OPERATIONS[step['op']]([held[i] for i in step['in']], step))
    y = held[-1]
    asked = [leaves[i] for i in program['first']]
    first = torch.autograd.grad(y, asked, create_graph=True, allow_unused=True)
    first = [torch.zeros_like(x) if g is None else g for x, g in zip(asked, first)]
    total = y + sum((g * g).sum() for g in first)
    second = torch.autograd.grad(total, leaves, allow_unused=True)

    def project(gradient, index):
        shape = list(leaves[index].shape)
        return 0.0 if gradient is None else (gradient * values(shape, 1_000_003 + index, 'both')).sum().item()

    return {
        'value': y.item(),
        'first': [project(g, i) for g, i in zip(first, program['first'])],
        'second': [project(g, i) for i, g in enumerate(second)],
    }


lines = [json.dumps({'program': p, 'expected': run(p)}, separators=(',', ':')) for p in map(json.loads, sys.stdin)]
print('[\n' + ',\n'.join(lines) + '\n]')
