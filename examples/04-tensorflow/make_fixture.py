"""Records what LiteRT computes for the photographs: pip install ai-edge-litert==2.3.0 numpy; python make_fixture.py"""
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

HERE = Path(__file__).parent
SIDE = 128


def photo(path):
    """A binary PPM as [H, W, 3]."""
    data = path.read_bytes()
    magic, size, top, pixels = data.split(b"\n", 3)
    width, height = map(int, size.split())
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def shrunk(image):
    """[SIDE, SIDE, 3]: every pixel is the mean of the pixels that it covers, as in classify.ts."""
    height, width, _ = image.shape
    small = np.zeros((SIDE, SIDE, 3), np.uint8)
    for y in range(SIDE):
        for x in range(SIDE):
            part = image[y * height // SIDE : -(-(y + 1) * height // SIDE), x * width // SIDE : -(-(x + 1) * width // SIDE)]
            small[y, x] = np.floor(part.reshape(-1, 3).sum(0) / (part.shape[0] * part.shape[1]) + 0.5)
    return small


for profile, resolver in (("xnnpack", OpResolverType.AUTO), ("tflite", OpResolverType.BUILTIN_REF)):
    interpreter = Interpreter(str(HERE / "mobilenet_v1_0.25_128_quant.tflite"), experimental_op_resolver_type=resolver, num_threads=1)
    interpreter.allocate_tensors()
    scores = []
    for name in ("dog", "flower", "china"):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], shrunk(photo(HERE / f"../01-classify/photos/{name}.ppm"))[None])
        interpreter.invoke()
        scores.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    np.save(HERE / f"scores_{profile}.npy", np.stack(scores))
