"""LiteRT as the other contender of bench/tflite.ts: requests and answers are lines of JSON."""
import base64
import json
import resource
import sys
import time

import numpy as np

start = time.perf_counter()
from ai_edge_litert.interpreter import Interpreter, OpResolverType  # noqa: E402

imported = time.perf_counter()
path, threads, kernels = sys.argv[1], int(sys.argv[2]), sys.argv[3]
resolver = {"xnnpack": OpResolverType.AUTO, "tflite": OpResolverType.BUILTIN_REF}[kernels]
interpreter = Interpreter(path, num_threads=threads, experimental_op_resolver_type=resolver)
interpreter.allocate_tensors()
loaded = time.perf_counter()
inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()

for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "run":
        for detail, given in zip(inputs, request["inputs"]):
            data = np.frombuffer(base64.b64decode(given), detail["dtype"]).reshape(detail["shape"])
            interpreter.set_tensor(detail["index"], data)
        interpreter.invoke()
        answer = [base64.b64encode(interpreter.get_tensor(o["index"]).tobytes()).decode() for o in outputs]
    elif request["do"] == "time":
        times, end = [], time.perf_counter() + request["ms"] / 1000
        interpreter.invoke()
        while time.perf_counter() < end or not times:
            begin = time.perf_counter()
            interpreter.invoke()
            times.append(1000 * (time.perf_counter() - begin))
        answer = times
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = {"loadMs": 1000 * (loaded - imported), "peakMiB": peak / 1024}
    print(json.dumps(answer), flush=True)
