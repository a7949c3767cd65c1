"""Functions of one byte, which become tables: behind a product and on their own,
on each instruction set that this machine can run, against ONNX Runtime."""

import numpy as np
import onnx
import pytest
from emulated_instructions import compile_emulated
from onnx import TensorProto, helper, numpy_helper

import quantc

from test_integer_products import random_bytes


def build(path, product, size):
    """A product of bytes if there is one, and SiLU of it between bytes."""
    rng = np.random.default_rng(3)
    shape = {"": (1, 5, 7, size), "matmul": (7, 6)}.get(product, (1, 6, 7, size))
    constants = {
        "s": np.float32(0.05), "z": np.uint8(120), "sy": np.float32(0.03), "zy": np.uint8(9),
        "sw": np.float32(0.02), "zw": np.int8(0),
    }  # fmt: skip
    nodes, x = [], "x"
    if "conv" in product:
        group = 6 if product == "depthwise conv" else 1
        constants["w"] = random_bytes(rng, "s", (6, 6 // group, 3, 3))
        inputs = ["x", "s", "z", "w", "sw", "zw", "sp", "z"]
        nodes.append(helper.make_node("QLinearConv", inputs, ["p"], pads=[1] * 4, group=group))
    elif product == "matmul":
        # Of 7 bits: without VNNI, this kernel of ONNX Runtime saturates whatever its session says.
        constants["w"] = rng.integers(-64, 65, (6, size)).astype(np.int8)
        nodes.append(helper.make_node("QLinearMatMul", ["x", "s", "z", "w", "sw", "zw", "sp", "z"], ["p"]))
    if product:
        constants["sp"], x = np.float32(0.5), "p"
    nodes += [
        helper.make_node("DequantizeLinear", [x, "s", "z"], ["f"]),
        helper.make_node("Sigmoid", ["f"], ["g"]),
        helper.make_node("Mul", ["f", "g"], ["h"]),
        helper.make_node("QuantizeLinear", ["h", "sy", "zy"], ["y"]),
    ]
    initializers = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(
        nodes, "table", [helper.make_tensor_value_info("x", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)], initializers,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return rng.integers(0, 256, shape).astype(np.uint8)


PRODUCTS = ["", "conv", "depthwise conv", "matmul"]


def build_with_result(path, product, size):
    """The input, and what ONNX Runtime makes of it."""
    import onnxruntime

    x = build(path, product, size)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    return x, onnxruntime.InferenceSession(path, options).run(None, {"x": x})[0]


@pytest.mark.parametrize("target", ["native", "x86-64-v3", "x86-64-v2", "x86-64"])
@pytest.mark.parametrize("size", [3, 29, 130])
@pytest.mark.parametrize("product", PRODUCTS)
def test_silu(product, size, target, tmp_path):
    path = tmp_path / "model.onnx"
    x, expected = build_with_result(path, product, size)
    model = quantc.compile(str(path), target=target)
    (y,) = model.run({"x": x})
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    ("target", "instruction"),
    [("x86-64-v4", "avx512.pshuf.b.512"), ("x86-64-v4,+avx512vnni,+avx512vbmi", "avx512.vpermi2var.qi.512")],
)
@pytest.mark.parametrize("product", PRODUCTS)
def test_emulated(product, target, instruction, quantc_cli, tmp_path):
    path = tmp_path / "model.onnx"
    x, expected = build_with_result(path, product, 130)
    model, emulated = compile_emulated(quantc_cli, path, target, tmp_path)
    assert "llvm.x86." + instruction in emulated
    (y,) = model.run([x])
    np.testing.assert_array_equal(y, expected)
