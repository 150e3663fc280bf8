"""An engine of Python in a process of its own: protocol.ts says what it gets and answers. A start function takes the list of inputs and
returns the version and a function that runs the inputs of an index and returns the outputs, name by array."""
import base64
import json
import re
import sys
import time

import numpy as np

start = json.loads(sys.argv[1])
path, threads, profile = start["model"], start["threads"], start.get("profile")


def start_openvino(feeds):
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    if len(feeds) == 1:
        model.reshape({name: list(value.shape) for name, value in feeds[0].items()})
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }
    request = core.compile_model(model, "CPU", options).create_infer_request()

    def run(i):
        results = request.infer(feeds[i], share_inputs=True, share_outputs=True)
        return {output.get_any_name(): value for output, value in results.items()}

    return openvino.__version__, run


def start_litert(feeds):
    import ai_edge_litert
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_REF if profile == "tflite" else OpResolverType.AUTO
    interpreter = Interpreter(path, num_threads=threads, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()

    def run(i):
        for position, detail in enumerate(inputs):
            interpreter.set_tensor(detail["index"], input_of(feeds[i], detail["name"], position))
        interpreter.invoke()
        return {detail["name"]: interpreter.get_tensor(detail["index"]) for detail in outputs}

    return getattr(ai_edge_litert, "__version__", "") or version_of("ai-edge-litert"), run


def start_pytorch(feeds):
    import torch

    torch.set_num_threads(threads)
    if profile is not None:
        torch.backends.quantized.engine = profile.removeprefix("torch-")
    if path.endswith(".pt2"):
        # The exported graph spells quantization out; torch.compile makes integer kernels of it, as its users run it.
        import torch._inductor.config as inductor
        import torch.ao.quantization.fx._decomposed  # noqa: F401  declares the operators of the file

        inductor.freezing = True
        model = torch.compile(torch.export.load(path).module())
    else:
        model = torch.jit.load(path).eval()
    tensors = [[torch.from_numpy(value.copy()) for value in each.values()] for each in feeds]

    def run(i):
        with torch.no_grad():
            results = model(*tensors[i])
        results = [results] if isinstance(results, torch.Tensor) else list(results)
        return {
            str(position): (value.int_repr() if value.is_quantized else value).numpy()
            for position, value in enumerate(results)
        }

    for _ in range(3):  # TorchScript specializes its graph in the first runs
        run(0)
    return torch.__version__, run


def input_of(feeds, name, position):
    return feeds[name] if name in feeds else list(feeds.values())[position]


def version_of(package):
    from importlib.metadata import version

    return version(package)


def reason_of(error):
    """The line of a message that says something: OpenVINO names its own files first."""
    lines = [line.strip() for line in str(error).split("\n")]
    return next((line for line in lines if line and not re.match("Exception from|Check '", line)), repr(error))


def say(answer):
    print(json.dumps(answer), flush=True)


def tensor_of(given):
    return np.frombuffer(base64.b64decode(given["data"]), np.dtype(given["type"])).reshape(given["dims"])


def time_of(run, i):
    begin = time.perf_counter()
    run(i)
    return 1000 * (time.perf_counter() - begin)


def median(run, ms):
    run(0)
    times, end = [], time.perf_counter() + ms / 1000
    while time.perf_counter() < end or not times:
        times.append(time_of(run, 0))
    return sorted(times)[len(times) // 2]


def write_outputs(run, file):
    stored = {
        name: {
            "type": str(value.dtype),
            "dims": list(value.shape),
            "data": base64.b64encode(np.ascontiguousarray(value).tobytes()).decode(),
        }
        for name, value in run(0).items()
    }
    with open(file, "w") as to:
        json.dump(stored, to)
    return True


def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def serve():
    with open(start["feeds"]) as file:
        feeds = [{name: tensor_of(given) for name, given in each.items()} for each in json.load(file)]
    version, run = {"openvino": start_openvino, "litert": start_litert, "pytorch": start_pytorch}[start["engine"]](feeds)
    run(0)
    say({"version": version})
    for line in sys.stdin:
        request = json.loads(line)
        answers = {
            "time": lambda: median(run, request["ms"]),
            "pass": lambda: [[time_of(run, i) for _ in range(request["times"])] for i in range(len(feeds))],
            "outputs": lambda: write_outputs(run, request["file"]),
            "peak": peak,
        }
        say(answers[request["do"]]())


try:
    serve()
except Exception as error:
    say({"refused": reason_of(error)})
