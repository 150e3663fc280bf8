"""Makes operators.json: operators of TorchScript, and what PyTorch computes with them.

Run by hand with PyTorch 1.13.1 of Debian bookworm (apt-get install python3-torch):

    /usr/bin/python3 test/unit/torch/make_operators.py

The lines of each case are TorchScript; `x` is a float32 tensor [1, 4, 4, 4], `q` that tensor quantized. Results that are
quantized are dequantized.
"""
import json
import os

import torch

torch.backends.quantized.engine = 'qnnpack'
HERE = os.path.dirname(os.path.abspath(__file__))
X = ((torch.arange(64) * 37) % 64 - 30).reshape(1, 4, 4, 4) / 8.0
Q = 'q = torch.quantize_per_tensor(x, 0.0700000003, 70, 13)'
AFFINE = ['w = torch.tensor([1., 0.5, 1.5, -1.25])', 'b = torch.tensor([0.125, 0.25, -0.5, 0.])']
STATISTICS = AFFINE + ['m = torch.tensor([0.5, 0.25, -0.5, 0.75])', 'v = torch.tensor([1.5, 0.25, 0.5, 0.75])']
OUT = '1e-05, 0.031, 100'

QUANTIZED = {
    'add_scalar': ['ops.quantized.add_scalar(q, 1.3)'],
    'add_scalar beyond the range': ['ops.quantized.add_scalar(q, 9.)', ],
    'add_scalar below the range': ['ops.quantized.add_scalar(q, -19.)'],
    'add_scalar_relu': ['ops.quantized.add_scalar_relu(q, -0.6)'],
    'add of a number': ['ops.quantized.add(q, 0.6)'],
    'mul_scalar': ['ops.quantized.mul_scalar(q, 1.7)'],
    'mul_scalar by a negative number': ['ops.quantized.mul_scalar(q, -1.7)'],
    'mul_scalar by 0': ['ops.quantized.mul_scalar(q, 0.)'],
    'mul_scalar_relu': ['ops.quantized.mul_scalar_relu(q, -0.7)'],
    'mul_relu': ['ops.quantized.mul_relu(q, q, 0.2, 11)'],
    'cat of contiguous tensors': ['ops.quantized.cat([q, q], 1, 0.0839999989, 50)'],
    'leaky_relu': ['ops.quantized.leaky_relu(q, 0.15, False, 0.063, 22)'],
    'elu': ['ops.quantized.elu(q, 0.03, 40, 0.7)'],
    'celu': ['ops.quantized.celu(q, 0.03, 40, 0.7)'],
    'threshold': ['torch.threshold(q, 0.2, 0.1)'],
    'softmax': ['ops.quantized.softmax(q, 1, 0.004, 5)'],
    'prelu with one slope': ['s = torch.quantize_per_tensor(torch.tensor([0.25]), 0.01, 3, 13)',
                             'ops.quantized.prelu(q, s, 0.05, 100)'],
    'prelu with a slope for each channel': [
        's = torch.quantize_per_tensor(torch.tensor([0.25, 0.5, -0.3, 0.7]), 0.01, 50, 13)',
        'ops.quantized.prelu(q, s, 0.05, 100)'],
    'batch_norm2d': STATISTICS + [f'ops.quantized.batch_norm2d(q, w, b, m, v, {OUT})'],
    'batch_norm2d_relu': STATISTICS + [f'ops.quantized.batch_norm2d_relu(q, w, b, m, v, {OUT})'],
    'batch_norm1d': STATISTICS + [f'ops.quantized.batch_norm1d(torch.flatten(q, 2), w, b, m, v, {OUT})'],
    'layer_norm': AFFINE + [f'ops.quantized.layer_norm(q, [4], w, b, {OUT})'],
    'layer_norm without parameters': [f'ops.quantized.layer_norm(q, [4, 4], None, None, {OUT})'],
    'group_norm': AFFINE + [f'ops.quantized.group_norm(q, 2, w, b, {OUT})'],
    'instance_norm': AFFINE + [f'ops.quantized.instance_norm(q, w, b, {OUT})'],
    'matmul': ['ops.quantized.matmul(q, q, 0.5, 100)'],
    'quantize_per_channel': [
        's = torch.tensor([0.05, 0.06, 0.07, 0.1])', 'z = torch.tensor([1, 50, 70, 100])',
        'torch.quantize_per_channel(x, s, z, 1, 13)'],
    'dequantize of a list': ['a, c = torch.dequantize([q, torch.relu(q)])', 'torch.add(a, c)'],
    'int_repr': ['torch.to(torch.int_repr(q), 6)'],
    'fake_quantize': ['torch.fake_quantize_per_tensor_affine(x, 0.05, 70, 0, 127)'],
    'pad with a number': ['torch.constant_pad_nd(q, [1, 1], 0.5)'],
    'bilinear upsampling': ['torch.upsample_bilinear2d(q, None, False, [2., 2.])'],
    'nearest upsampling of volumes': ['torch.upsample_nearest3d(torch.unsqueeze(q, 0), None, [1., 2., 2.])'],
    'max along an axis': ['a, c = torch.max(q, 1)', 'a'],
    'flip': ['torch.flip(q, [2, 3])'],
    'pixel_unshuffle': ['torch.pixel_unshuffle(q, 2)'],
}
FLOAT = {
    'and': ['torch.to(torch.__and__(torch.gt(x, 0), torch.lt(x, 1)), 6)'],
    'or': ['torch.to(torch.__or__(torch.gt(x, 0), torch.lt(x, -1)), 6)'],
    'not': ['torch.to(torch.bitwise_not(torch.gt(x, 0)), 6)'],
    'ne': ['torch.to(torch.ne(x, 0.), 6)'],
    'remainder': ['torch.remainder(x, 0.75)'],
    'floor_divide': ['torch.floor_divide(x, 0.75)'],
    'glu': ['torch.glu(x, 1)'],
    'softplus': ['torch.softplus(x, 2.)'],
    'hardshrink': ['torch.hardshrink(x, 0.5)'],
    'softshrink': ['torch.softshrink(x, 0.5)'],
    'log_sigmoid': ['torch.log_sigmoid(x)'],
    'addcmul': ['torch.addcmul(x, x, x, value=0.5)'],
    'lerp': ['torch.lerp(x, torch.mul(x, x), 0.25)'],
    'trunc': ['torch.trunc(x)'],
    'roll': ['torch.roll(x, [1, -1], [2, 3])'],
    'tile': ['torch.tile(x, [2, 1])'],
    'movedim': ['torch.movedim(x, 1, -1)'],
    'tril': ['torch.tril(x, -1)'],
    'triu': ['torch.triu(x, 1)'],
    'repeat_interleave': ['torch.repeat_interleave(x, 2, 1)'],
    'vstack': ['torch.vstack([x, x])'],
    'tensor_split': ['a, c, d = torch.tensor_split(x, 3, 2)', 'c'],
    'negative pads': ['torch.constant_pad_nd(x, [-1, 1])'],
    'gather': ['torch.gather(x, 1, torch.zeros([1, 2, 4, 4], dtype=4))'],
    'arange': ['torch.add(torch.arange(4), x)'],
    'linspace': ['torch.mul(torch.linspace(0., 1., 4), x)'],
    'eye': ['torch.mul(torch.eye(4), x)'],
    'new_zeros': ['torch.add(torch.new_zeros(x, [4]), x)'],
    'var': ['torch.var(x, [2, 3], False)'],
    'std': ['torch.std(x, [1])'],
    'norm': ['torch.norm(x, 2, [1])'],
    'logsumexp': ['torch.logsumexp(x, [1])'],
    'cumsum': ['torch.cumsum(x, 1)'],
    'min along an axis': ['a, c = torch.min(x, 1, True)', 'torch.add(a, torch.to(c, 6))'],
    'any': ['torch.to(torch.any(torch.gt(x, 3.8), 1), 6)'],
    'addmm': ['y = torch.select(torch.select(x, 0, 0), 0, 1)', 'torch.addmm(y, y, y, beta=0.5, alpha=2.)'],
    'outer': ['y = torch.flatten(torch.slice(x, 1, 0, 1))', 'torch.outer(y, y)'],
    'instance_norm': ['torch.instance_norm(x, None, None, None, None, True, 0.1, 1e-05, False)'],
    'adaptive_avg_pool2d': ['torch.adaptive_avg_pool2d(x, [3, 3])'],
    'avg_pool2d with a divisor': ['torch.avg_pool2d(x, [2, 2], [2, 2], [0, 0], False, True, 3)'],
}

PYTHON = {
    'torch.threshold(q': 'torch.nn.functional.threshold(q', 'torch.to(': 'to_(', 'torch.int_repr(q)': 'q.int_repr()',
    'torch.__and__': 'and_', 'torch.__or__': 'or_', 'torch.glu': 'F.glu', 'torch.softplus': 'F.softplus',
    'torch.hardshrink': 'F.hardshrink', 'torch.softshrink': 'F.softshrink', 'torch.log_sigmoid': 'F.logsigmoid',
    'torch.slice(x, 1, 0, 1)': 'x[:, 0:1]', 'torch.new_zeros(x, ': 'x.new_zeros(', 'torch.avg_pool2d': 'F.avg_pool2d',
    'torch.adaptive_avg_pool2d': 'F.adaptive_avg_pool2d', 'torch.upsample_bilinear2d': 'aten.upsample_bilinear2d',
    'torch.upsample_nearest3d': 'aten.upsample_nearest3d', 'dtype=4': 'dtype=torch.long', ', 13)': ', torch.quint8)',
}


def run(lines):
    names = {
        'torch': torch, 'ops': torch.ops, 'aten': torch.ops.aten, 'F': torch.nn.functional, 'x': X,
        'to_': lambda t, code: t.float(), 'and_': lambda a, b: a & b, 'or_': lambda a, b: a | b,
    }
    def python(line):
        for text, other in PYTHON.items():
            line = line.replace(text, other)
        return line
    for line in [Q, *lines[:-1]]:
        exec(python(line), names)
    y = eval(python(lines[-1]), names)
    y = y.dequantize() if y.is_quantized else y.float()
    return {'lines': lines, 'shape': list(y.shape), 'values': [float(f'{v:.7g}') for v in y.flatten().tolist()]}


cases = {'quantized': {name: run(lines) for name, lines in QUANTIZED.items()},
         'float': {name: run(lines) for name, lines in FLOAT.items()}}
with open(os.path.join(HERE, 'operators.json'), 'w') as file:
    rows = [f'  {json.dumps(kind)}: {{\n' + ',\n'.join(f'    {json.dumps(n)}: {json.dumps(c)}' for n, c in group.items()) + '\n  }'
            for kind, group in cases.items()]
    file.write('{\n' + ',\n'.join(rows) + '\n}\n')
