"""Makes engines.json: layers, pools and means as each engine of PyTorch computes them.

Run by hand with PyTorch 2.15 for x86-64 (`pip install torch`), which has all four engines, on a machine with AVX512-VNNI:

    python test/unit/torch/make_engines.py

Scales are powers of two, so that sums meet many ties, or set by hand, where fl(1/fl(s)) is not fl(1/s).
"""
import json
import os
import warnings

import numpy as np
import torch

warnings.filterwarnings('ignore')
torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
ENGINES = ['qnnpack', 'onednn', 'fbgemm', 'x86']
rng = np.random.default_rng(10)
f = np.float32

# (name, weights [out, in/groups, k, k] or [out, in], groups)
LAYERS = [
    ('linear', (6, 12), 1),
    ('pointwise', (6, 8, 1, 1), 1),
    ('convolution', (4, 4, 3, 3), 1),
    ('grouped', (8, 2, 3, 3), 4),
    ('depthwise of 104 channels', (104, 1, 3, 3), 104),
]
WEIGHTS = ['by tensor', 'by channel', 'with a zero point']


def weight(shape, kind):
    integers = rng.integers(-20, 21, shape).astype(np.int8)
    if kind == 'by channel':
        scales = 2.0 ** rng.integers(-7, -4, shape[0])
        zeros = np.zeros(shape[0], np.int64)
        q = torch._make_per_channel_quantized_tensor(torch.from_numpy(integers), torch.from_numpy(scales), torch.from_numpy(zeros), 0)
    else:
        scales, zeros = np.array([2.0 ** -6]), np.array([3 if kind == 'with a zero point' else 0])
        q = torch._make_per_tensor_quantized_tensor(torch.from_numpy(integers), float(scales[0]), int(zeros[0]))
    return integers, scales, zeros, q


def layer(engine, name, shape, groups, kind, sx, zx, sy, zy, x=None, w=None):
    torch.backends.quantized.engine = engine
    integers, scales, zeros, q = w or weight(shape, kind)
    # sums of the bias are ties too: an odd number of quarters of a step of the sum
    bias = (rng.integers(-40, 41, shape[0]) * sx * float(scales[0]) * 0.75).astype(f)
    if x is None:
        x = rng.integers(0, 128, (9, shape[1]) if len(shape) == 2 else (1, shape[1] * groups, 5, 4)).astype(np.uint8)
    qx = torch._make_per_tensor_quantized_tensor(torch.from_numpy(x), sx, zx)
    if len(shape) == 2:
        packed = torch.ops.quantized.linear_prepack(q, torch.from_numpy(bias))
        y = torch.ops.quantized.linear(qx, packed, sy, zy)
    else:
        packed = torch.ops.quantized.conv2d_prepack(q, torch.from_numpy(bias), [1, 1], [shape[2] // 2] * 2, [1, 1], groups)
        y = torch.ops.quantized.conv2d(qx, packed, sy, zy)
    y = y.int_repr().numpy()
    return {
        'name': f'{name}, weights {kind}', 'engine': engine, 'groups': groups, 'weights': list(shape), 'w': integers.flatten().tolist(),
        'scales': scales.tolist(), 'zeroPoints': zeros.tolist(), 'bias': [float(b) for b in bias], 'x': x.flatten().tolist(),
        'input': list(x.shape), 'sx': sx, 'zx': zx, 'sy': sy, 'zy': zy, 'y': y.flatten().tolist(), 'output': list(y.shape),
    }


def by_hand(engine):
    """Sums that a scale rounds otherwise when its double is inverted: x·[127, 1] for each of them."""
    while True:
        s = int(rng.integers(1, 1000)) / 1000
        right, wrong = f(1) / f(s), f(1 / s)
        if right == wrong:
            continue
        sx, sw = float(rng.integers(1, 1000)) / 1000, float(rng.integers(1, 1000)) / 10000
        product = f(sx) * f(sw)
        sums = np.arange(0, 32385)
        a, b = (np.rint(sums.astype(f) * (product * inverse)) for inverse in (right, wrong))
        found = sums[(a != b) & (a < 200)]
        if len(found) == 0:
            continue
        rows = np.stack([found // 127, found % 127], axis=1).astype(np.uint8)[:12]
        integers = np.array([[127, 1]], np.int8)
        q = torch._make_per_tensor_quantized_tensor(torch.from_numpy(integers), sw, 0)
        w = (integers, np.array([sw]), np.array([0]), q)
        case = layer(engine, 'a scale set by hand', (1, 2), 1, 'by tensor', sx, 0, s, 7, rows, w)
        case['bias'] = None
        packed = torch.ops.quantized.linear_prepack(q, None)
        y = torch.ops.quantized.linear(torch._make_per_tensor_quantized_tensor(torch.from_numpy(rows), sx, 0), packed, s, 7)
        case['y'] = y.int_repr().numpy().flatten().tolist()
        return case


LAST = 'torch.contiguous(q, memory_format=2)'
# TorchScript on `q`, [2, 8, 6, 4], and what stands for it in Python
VIEWS = {
    'q': 'q', LAST: 'q.contiguous(memory_format=torch.channels_last)',
    'torch.slice(q, 1, 1, 5)': 'q[:, 1:5]', 'torch.slice(q, 0, 1, 2)': 'q[1:2]', 'torch.slice(q, 2, 2, 6)': 'q[:, :, 2:6]',
    f'torch.slice({LAST}, 1, 1, 5)': 'last[:, 1:5]', f'torch.slice({LAST}, 0, 1, 2)': 'last[1:2]',
    f'torch.slice({LAST}, 2, 2, 6)': 'last[:, :, 2:6]', f'torch.slice({LAST}, 3, 0, 2)': 'last[:, :, :, 0:2]',
    f'torch.relu(torch.slice({LAST}, 1, 1, 5))': 'torch.relu(last[:, 1:5])',
    f'torch.max_pool2d(torch.slice({LAST}, 1, 1, 5), [2, 1], [1, 1])': 'F.max_pool2d(last[:, 1:5], [2, 1], [1, 1])',
    f'torch.contiguous({LAST})': 'last.contiguous()',
    f'(torch.chunk({LAST}, 2, 1))[1]': 'last.chunk(2, 1)[1]',
    'torch.permute(q, [0, 2, 3, 1])': 'q.permute(0, 2, 3, 1)', 'torch.permute(q, [0, 3, 1, 2])': 'q.permute(0, 3, 1, 2)',
    f'torch.permute({LAST}, [0, 2, 3, 1])': 'last.permute(0, 2, 3, 1)', 'torch.transpose(q, 2, 3)': 'q.transpose(2, 3)',
    f'ops.quantized.add({LAST}, {LAST}, 0.25, 33)': 'torch.ops.quantized.add(last, last, 0.25, 33)',
    f'torch.reshape({LAST}, [2, 4, 12, 4])': 'last.reshape(2, 4, 12, 4)', f'torch.reshape({LAST}, [2, 8, 4, 6])': 'last.reshape(2, 8, 4, 6)',
}
POOLS = {
    'torch.avg_pool2d(v, [2, 2], [2, 2])': 'F.avg_pool2d(v, [2, 2], [2, 2])',
    'torch.adaptive_avg_pool2d(v, [1, 1])': 'F.adaptive_avg_pool2d(v, [1, 1])',
    'torch.mean(v, [3])': 'v.mean([3])', 'torch.mean(v, [2, 3])': 'v.mean([2, 3])', 'torch.mean(v, [-1, -2], True)': 'v.mean([-1, -2], True)',
    'torch.mean(v, [1, 2, 3])': 'v.mean([1, 2, 3])',
    'torch.adaptive_avg_pool2d(v, [3, 3])': 'F.adaptive_avg_pool2d(v, [3, 3])',
    'torch.cat([v, ops.quantized.add(v, v, 0.625, 7)], 1)': 'torch.cat([v, torch.ops.quantized.add(v, v, 0.625, 7)], 1)',
    'torch.stack([v, ops.quantized.add(v, v, 0.625, 7)], 2)': 'torch.stack([v, torch.ops.quantized.add(v, v, 0.625, 7)], 2)',
}


X = ((torch.arange(384) * 37 + torch.arange(384) // 7) % 256).to(torch.uint8).reshape(2, 8, 6, 4)


def pools(engine):
    torch.backends.quantized.engine = engine
    for script, python in VIEWS.items():
        for pool, of in POOLS.items():
            q = torch._make_per_tensor_quantized_tensor(X, 0.25, 113)
            names = {'torch': torch, 'F': torch.nn.functional, 'q': q, 'last': q.contiguous(memory_format=torch.channels_last)}
            names['v'] = eval(python, names)
            y = eval(of, names)
            yield {'engine': engine, 'view': script, 'pool': pool, 'y': y.int_repr().flatten().tolist(),
                   'output': list(y.shape), 'zy': y.q_zero_point(), 'sy': y.q_scale()}


cases = {
    'layers': [
        layer(engine, name, shape, groups, kind, 0.5, zx, 2.0 ** -2, zy)
        for engine in ENGINES for name, shape, groups in LAYERS for kind in WEIGHTS
        for zx, zy in [(0, 61), (70, 100)] if not (kind == 'with a zero point' and engine == 'onednn')
        if not (groups > 4 and (kind == 'with a zero point' or zx == 0))
    ],
    'byHand': [by_hand(engine) for engine in ('qnnpack', 'fbgemm', 'x86') for _ in range(20)],
    'pools': [case for engine in ('qnnpack', 'onednn') for case in pools(engine)],
}
with open(os.path.join(HERE, 'engines.json'), 'w') as file:
    rows = [f'{json.dumps(kind)}: [\n' + ',\n'.join(json.dumps(c, separators=(',', ':')) for c in group) + '\n]' for kind, group in cases.items()]
    file.write('{\n' + ',\n'.join(rows) + '\n}\n')
print({kind: len(group) for kind, group in cases.items()})
