"""Products of f16: they are summed in f32, as ONNX Runtime does, and can be quantized."""

import re

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc


def make_model(op, weights, shape, kind=np.float16, **attributes):
    graph = helper.make_graph(
        [helper.make_node(op, ["x", "w"], ["p"], name="product", **attributes), helper.make_node("Relu", ["p"], ["y"])],
        "half",
        [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)],
        [helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(np.dtype(kind)), None)],
        [numpy_helper.from_array(weights.astype(kind), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run_reference(model, x):
    options = onnxruntime.SessionOptions()
    # Without it, its products of unsigned by signed bytes saturate.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


FORMS = [
    ("Conv", (16, 8, 3, 3), ["n", 8, "h", "w"], (2, 8, 9, 11), {"pads": [1] * 4}),
    ("Conv", (8, 1, 3, 3), ["n", 8, 9, 11], (1, 8, 9, 11), {"group": 8}),
    ("ConvTranspose", (8, 4, 2, 2), [1, 8, 5, 6], (1, 8, 5, 6), {"strides": [2, 2]}),
    ("MatMul", (32, 48), ["m", 32], (7, 32), {}),
    ("MatMul", (3, 32, 48), [1, "m", 32], (1, 1, 32), {}),
]


@pytest.mark.parametrize("op,weights,declared,shape,attributes", FORMS)
def test_results(rng, op, weights, declared, shape, attributes):
    model = make_model(op, rng.normal(size=weights) / 8, declared, **attributes)
    x = rng.normal(size=shape).astype(np.float16)
    expected = run_reference(model.SerializeToString(), x)
    (actual,) = quantc.compile(model).run(x)
    assert actual.dtype == np.float16 and actual.shape == expected.shape
    # What differs are sums that the order of summing moves over a tie.
    np.testing.assert_allclose(actual.astype(np.float32), expected.astype(np.float32), rtol=2**-10, atol=2**-14)


@pytest.mark.parametrize("op,weights,declared,shape,attributes", [FORMS[0], FORMS[3]])
def test_kernels_read_floats(tmp_path, rng, quantc_cli, op, weights, declared, shape, attributes):
    """What is no constant is extended once, before."""
    onnx.save(make_model(op, rng.normal(size=weights), declared, **attributes), tmp_path / "model.onnx")
    done = quantc_cli("compile", tmp_path / "model.onnx", "-o", tmp_path / "model.so", "--print-remarks")
    (line,) = [line for line in done.stderr.splitlines() if "node 'product'" in line]
    x, w = re.findall(r":\S*x(f\d+)", line.split(" -> ")[0])
    assert (x, w) == ("f32", "f32" if op == "Conv" else "f16")


@pytest.mark.parametrize("recipe", ["w8", "w8a8", "w8a8-dynamic"])
@pytest.mark.parametrize("op,weights,declared,shape,attributes", [FORMS[0], FORMS[3]])
def test_quantized(tmp_path, rng, op, weights, declared, shape, attributes, recipe):
    weights = rng.normal(size=[8 * weights[0], *weights[1:-1], weights[-1]] if op == "Conv" else weights) / 8
    model = make_model(op, weights, declared, **attributes)
    x = rng.normal(size=shape).astype(np.float16)
    options = {"quantize": quantc.Recipe(recipe, slower_layers="integer")}
    if recipe == "w8a8":
        options["calibration"] = {"x": x[None]}
    onnx.save(model, tmp_path / "half.onnx")
    compiled = quantc.compile(model, **options)
    quantc.export(tmp_path / "half.onnx", tmp_path / "int8.onnx", **options)
    floats = run_reference(model.SerializeToString(), x).astype(np.float32)
    exported = run_reference(str(tmp_path / "int8.onnx"), x).astype(np.float32)
    actual = compiled.run(x)[0].astype(np.float32)
    assert np.linalg.norm(actual - floats) < 0.02 * np.linalg.norm(floats)
    assert not np.array_equal(actual, floats)
    # A step of the integers where rounding goes another way.
    assert np.linalg.norm(actual - exported) < 2e-3 * np.linalg.norm(floats)
    stored = onnx.load(tmp_path / "int8.onnx").graph.initializer
    assert any(t.data_type in (TensorProto.INT8, TensorProto.UINT8) and np.prod(t.dims) == weights.size for t in stored)


def test_export_keeps_halves(tmp_path, rng, quantc_cli):
    """Without a recipe nothing is quantized, and nothing grows."""
    onnx.save(make_model("Conv", rng.normal(size=(16, 8, 3, 3)), [1, 8, 9, 11]), tmp_path / "half.onnx")
    quantc_cli.ok("export", tmp_path / "half.onnx", "-o", tmp_path / "again.onnx")
    types = {t.data_type for t in onnx.load(tmp_path / "again.onnx").graph.initializer if np.prod(t.dims) > 100}
    assert types == {TensorProto.FLOAT16}
