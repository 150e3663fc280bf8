"""Writes the node tests of the installed onnx package: FOLDER/NAME/model.onnx and test_data_set_0/{input,output}_N.pb (tensors alone).

usage: python onnx_node_tests.py FOLDER
"""

import sys
from pathlib import Path

import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases


def write(values, infos, folder, prefix):
    """False where one is no tensor."""
    for index, (value, info) in enumerate(zip(values, infos, strict=False)):
        if not info.type.HasField("tensor_type"):
            return False
        if not isinstance(value, TensorProto):
            value = numpy_helper.from_array(value, info.name)
        (folder / f"{prefix}_{index}.pb").write_bytes(value.SerializeToString())
    return True


def main():
    root = Path(sys.argv[1])
    cases = [case for case in collect_testcases(None) if case.model is not None]
    others = 0
    for case in cases:
        folder = root / case.name
        data = folder / "test_data_set_0"
        data.mkdir(parents=True, exist_ok=True)
        (folder / "model.onnx").write_bytes(case.model.SerializeToString())
        inputs, outputs = case.data_sets[0]
        graph = case.model.graph
        if not (write(inputs, graph.input, data, "input") and write(outputs, graph.output, data, "output")):
            (folder / "no_tensors").touch()
            others += 1
    print(f"onnx {onnx.__version__}: {len(cases)} tests, {others} of them with values that are no tensors")


main()
