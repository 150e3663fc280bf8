"""Makes what stands beside it: an archive of a small network, its inputs, and what PyTorch computes with them.

    apt-get install python3-torch        # Debian bookworm: PyTorch 1.13.1, engines qnnpack and onednn
    /usr/bin/python3 examples/02-pytorch/make_fixture.py

It trains a network on pictures of bars in eight directions, quantizes it (FX, per-channel weights, engine qnnpack), and writes

    fixture/network.pt      torch.jit.save of the quantized network: no input or activation has the zero point 0
    fixture/inputs.npy      float32 [64, 1, 16, 16]
    fixture/outputs.npy     uint8 [64, 8]: the integers of the last layer
    fixture/network.json    their scale and zero point, and the accuracy on 512 pictures
    mobilenet_logits.npy    uint8 [3, 1000]: what mobilenet_quantized.pt says of the photographs of examples/01-classify

Nothing here is run by the tests. They read the files.
"""
import json
import math
import os

import numpy as np
import torch
from torch import nn
from torch.ao.quantization import HistogramObserver, PerChannelMinMaxObserver, QConfig, QConfigMapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURE = os.path.join(HERE, 'fixture')
PHOTOS = os.path.join(HERE, '../01-classify/photos')
SIZE, CLASSES = 16, 8


def pictures(count, generator):
    """Bars through about the middle, in one of eight directions, on noise; of mean 0."""
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    noise = torch.randn(count, 1, SIZE, SIZE, generator=generator) * 1.1
    shift = torch.rand(count, 2, 1, 1, generator=generator) * 4 - 2
    axis = torch.arange(SIZE) - (SIZE - 1) / 2
    x, y = axis.reshape(1, 1, -1) - shift[:, 0], axis.reshape(1, -1, 1) - shift[:, 1]
    angle = (labels * (math.pi / CLASSES)).reshape(-1, 1, 1)
    distance = (x * torch.sin(angle) - y * torch.cos(angle)).abs()
    bars = (distance < 1.2).float().unsqueeze(1) * 1.5
    images = bars + noise
    return images - images.mean((1, 2, 3), keepdim=True), labels


class Network(nn.Module):
    """A strided convolution, a depthwise block with a residual sum, a leaky activation, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.depthwise = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.BatchNorm2d(16))
        self.leaky = nn.LeakyReLU(0.1)
        self.pointwise = nn.Sequential(nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16))
        self.wide = nn.Conv2d(16, 24, 3, padding=2, dilation=2)
        self.swish = nn.Hardswish()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.last = nn.Linear(24, CLASSES)

    def forward(self, x):
        x = self.first(x)
        x = x + self.pointwise(self.leaky(self.depthwise(x)))
        x = self.swish(self.wide(x))
        return self.last(torch.flatten(self.pool(x), 1))


def trained(generator):
    network = Network().train()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for step in range(400):
        images, labels = pictures(128, generator)
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            print(f'step {step + 1}: loss {loss.item():.3f}')
    return network.eval()


def quantized(network, calibration):
    torch.backends.quantized.engine = 'qnnpack'
    config = QConfig(
        activation=HistogramObserver.with_args(dtype=torch.quint8),
        weight=PerChannelMinMaxObserver.with_args(dtype=torch.qint8, qscheme=torch.per_channel_symmetric),
    )
    mapping = QConfigMapping().set_global(config)
    prepared = prepare_fx(network, mapping, (calibration[:1],))
    with torch.no_grad():
        prepared(calibration)
    return convert_fx(prepared)


def accuracy(network, images, labels):
    with torch.no_grad():
        return (network(images).argmax(1) == labels).float().mean().item()


def small_network():
    generator = torch.Generator().manual_seed(665)
    torch.manual_seed(665)
    network = trained(generator)
    calibration, _ = pictures(512, generator)
    images, labels = pictures(512, generator)
    converted = quantized(network, calibration)
    print(f'accuracy: float {accuracy(network, images, labels):.3f}, quantized {accuracy(converted, images, labels):.3f}')
    script = torch.jit.script(converted)
    script.save(os.path.join(FIXTURE, 'network.pt'))
    with torch.no_grad():
        y = torch.jit.load(os.path.join(FIXTURE, 'network.pt'))(images[:64])
    last = converted.last
    scale, zero_point = float(last.scale), int(last.zero_point)
    integers = torch.round(y / scale).int() + zero_point
    np.save(os.path.join(FIXTURE, 'inputs.npy'), images[:64].numpy())
    np.save(os.path.join(FIXTURE, 'outputs.npy'), integers.numpy().astype(np.uint8))
    facts = {
        'torch': torch.__version__,
        'engine': 'qnnpack',
        'scale': scale,
        'zeroPoint': zero_point,
        'accuracy': accuracy(converted, images, labels),
    }
    with open(os.path.join(FIXTURE, 'network.json'), 'w') as file:
        json.dump(facts, file, indent=2)
        file.write('\n')


def photo(name):
    """A binary PPM as ImageNet networks want it, in the float32 arithmetic of examples/01-classify/photo.ts."""
    with open(os.path.join(PHOTOS, name), 'rb') as file:
        data = file.read()
    header = data[:32].split(b'\n')
    width, height = (int(n) for n in header[1].split())
    start = sum(len(line) + 1 for line in header[:3])
    rgb = np.frombuffer(data, np.uint8, offset=start).reshape(height, width, 3).transpose(2, 0, 1)
    mean = np.float32([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    deviation = np.float32([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    scaled = (rgb.astype(np.float64) / 255).astype(np.float32)
    return ((scaled - mean).astype(np.float64) / deviation).astype(np.float32)


def mobilenet():
    torch.backends.quantized.engine = 'qnnpack'
    network = torch.jit.load(os.path.join(HERE, 'mobilenet_quantized.pt')).eval()
    scale, zero_point = 0.15309934318065643, 75
    rows = []
    for name in ['dog.ppm', 'flower.ppm', 'china.ppm']:
        with torch.no_grad():
            y = network(torch.from_numpy(photo(name)).unsqueeze(0))
        rows.append((torch.round(y / scale).int() + zero_point).numpy().astype(np.uint8)[0])
    np.save(os.path.join(HERE, 'mobilenet_logits.npy'), np.stack(rows))


os.makedirs(FIXTURE, exist_ok=True)
small_network()
mobilenet()
