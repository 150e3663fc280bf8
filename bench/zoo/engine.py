"""OpenVINO in a process of its own: protocol.ts says what it answers. The arguments are engine, model, threads and the file of inputs."""
import base64
import json
import sys
import time

import numpy as np
import openvino

_, _, path, threads, feeds_file = sys.argv


def say(answer):
    print(json.dumps(answer), flush=True)


def tensor_of(given):
    return np.frombuffer(base64.b64decode(given["data"]), np.dtype(given["type"])).reshape(given["dims"])


def start():
    with open(feeds_file) as file:
        feeds = {name: tensor_of(given) for name, given in json.load(file).items()}
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape({name: list(value.shape) for name, value in feeds.items()})
    options = {
        "INFERENCE_NUM_THREADS": int(threads),
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }
    request = core.compile_model(model, "CPU", options).create_infer_request()
    run = lambda: request.infer(feeds, share_inputs=True, share_outputs=True)  # noqa: E731
    run()
    say({"version": openvino.__version__})
    return run


def median(run, ms):
    run()
    times, end = [], time.perf_counter() + ms / 1000
    while time.perf_counter() < end or not times:
        begin = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - begin))
    return sorted(times)[len(times) // 2]


def stored(results):
    return {
        output.get_any_name(): {
            "type": str(value.dtype),
            "dims": list(value.shape),
            "data": base64.b64encode(np.ascontiguousarray(value).tobytes()).decode(),
        }
        for output, value in results.items()
    }


def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


try:
    run = start()
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "time":
            say(median(run, request["ms"]))
        elif request["do"] == "outputs":
            with open(request["file"], "w") as file:
                json.dump(stored(run()), file)
            say(True)
        else:
            say(peak())
except Exception as error:
    say({"refused": str(error).split("\n")[0]})
