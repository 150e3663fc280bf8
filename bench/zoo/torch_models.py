"""ResNet-50 and MobileNetV2 quantized by torchvision for x86, as TorchScript, with random weights: torch_models.py OUT"""
import sys

import torch
from torchvision.models import quantization

torch.backends.quantized.engine = "x86"
for name in ("resnet50", "mobilenet_v2"):
    torch.manual_seed(1)
    model = getattr(quantization, name)(weights=None, quantize=False).eval()
    model.fuse_model()
    model.qconfig = torch.ao.quantization.get_default_qconfig("x86")
    torch.ao.quantization.prepare(model, inplace=True)
    with torch.no_grad():
        model(torch.randn(4, 3, 224, 224))
        torch.ao.quantization.convert(model, inplace=True)
        torch.jit.trace(model, torch.randn(1, 3, 224, 224)).save(f"{sys.argv[1]}/{name}-x86.pt")
