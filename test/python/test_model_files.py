"""Weights that stay where they lie: in the model's own file, or in one beside it."""

import os
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import quantc


def make_model(rows=64, columns=128):
    """A product with weights that are large enough to stay in the file."""
    weights = np.random.default_rng(0).standard_normal((rows, columns)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")], "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", rows])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", columns])],
        [numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), weights


@pytest.mark.skipif(not os.access("/", os.W_OK), reason="needs to write to the root folder")
@pytest.mark.parametrize("beside", [False, True], ids=["embedded", "beside"])
def test_root_folder(beside):
    model, weights = make_model()
    with tempfile.TemporaryDirectory(dir="/") as folder:
        # Its name is no other file's in the root folder.
        path, data = (Path(f"{folder}{suffix}") for suffix in (".onnx", ".bin"))
        try:
            onnx.save(model, path, save_as_external_data=beside, location=data.name)
            library = quantc.compile(path)
        finally:
            path.unlink(missing_ok=True)
            data.unlink(missing_ok=True)
    x = np.eye(64, dtype=np.float32)
    np.testing.assert_array_equal(library.run({"x": x})[0], weights)


def test_too_few_bytes(tmp_path):
    """The error says nothing of external data, which the model has none of."""
    model, weights = make_model()
    model.graph.initializer[0].raw_data = weights.tobytes()[:-4]
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(quantc.CompileError, match="initializer 'w': the tensor has 32764 bytes of data, its shape needs 32768"):
        quantc.compile(tmp_path / "model.onnx")
