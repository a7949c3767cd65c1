"""Functions behind products that are computed by bounds where only 8 bits are
left: the integers are those of the function, for numbers of any size."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from emulated_instructions import compile_emulated
from onnx import helper, numpy_helper
from test_integer_products import compile_nodes

ROWS, DEPTH, COLUMNS = 37, 8, 4099
ODD = [0, -0.0, np.inf, -np.inf, np.nan, 1e38, -1e38, 3.4e38, -3.4e38, 1e-45, -1e-45, 2.0**30, -(2.0**30)]
NODES = [
    ("DequantizeLinear", ["x", "sx", "zx"], "xf"),
    ("DequantizeLinear", ["w", "sw", "zw"], "wf"),
    ("MatMul", ["xf", "wf"], "m"),
    ("Add", ["m", "b"], "a"),
]
GELU = [
    ("Div", ["a", "root"], "d"),
    ("Erf", ["d"], "e"),
    ("Add", ["e", "one"], "e1"),
    ("Mul", ["a", "e1"], "p"),
    ("Mul", ["p", "half"], "g"),
    ("QuantizeLinear", ["g", "sy", "zy"], "y"),
]


def make_nodes(nodes):
    return [
        helper.make_node(op, inputs, [output], **({"axis": 1} if output == "wf" else {}))
        for op, inputs, output in nodes
    ]


SCALES = [
    (0.03, np.uint8(6)),
    (0.01, np.uint8(17)),
    (1 / 64, np.uint8(11)),
    (0.1, np.int8(-126)),
    (1e-3, np.uint8(170)),
    (2.0, np.int8(0)),
    (1e30, np.uint8(3)),
    (1e-30, np.uint8(3)),
]


def make_constants(scale, zero, rng):
    bias = (rng.standard_normal(COLUMNS) * 2).astype(np.float32)
    bias[:1000] = rng.integers(0, 2**32, 1000).astype(np.uint32).view(np.float32)
    bias[: len(ODD)] = ODD
    constants = {
        "sx": np.float32(1e-4),
        "zx": np.uint8(128),
        "w": rng.integers(-127, 128, (DEPTH, COLUMNS)).astype(np.int8),
        "sw": (rng.random(COLUMNS) * 0.1 + 0.01).astype(np.float32),
        "zw": np.zeros(COLUMNS, np.int8),
        "b": bias,
        "root": np.float32(np.sqrt(2)),
        "one": np.float32(1),
        "half": np.float32(0.5),
        "sy": np.float32(scale),
        "zy": zero,
    }
    return {name: np.asarray(value) for name, value in constants.items()}


def run_reference(x, constants):
    """What is behind the product, from the number that our integers stand for."""
    accumulator = (x.astype(np.int64) - 128) @ constants["w"].astype(np.int64)
    with np.errstate(all="ignore"):
        a = accumulator.astype(np.float32) * (constants["sx"] * constants["sw"]) + constants["b"]
    dtype = helper.np_dtype_to_tensor_dtype(constants["zy"].dtype)
    graph = helper.make_graph(
        make_nodes(GELU),
        "gelu",
        [helper.make_tensor_value_info("a", onnx.TensorProto.FLOAT, a.shape)],
        [helper.make_tensor_value_info("y", dtype, a.shape)],
        [numpy_helper.from_array(constants[name], name) for name in ("root", "one", "half", "sy", "zy")],
    )
    options = ort.SessionOptions()
    # Fused, it would be another sequence of roundings.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    reference = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return ort.InferenceSession(reference.SerializeToString(), options).run(None, {"a": a})[0]


def compile_gelu(x, constants, target, folder):
    return compile_nodes(
        make_nodes(NODES + GELU), [("x", np.uint8, x.shape)], constants,
        ("y", constants["zy"].dtype, (ROWS, COLUMNS)), target, folder,
    )  # fmt: skip


@pytest.mark.parametrize("target", ["native", "x86-64-v2"])
@pytest.mark.parametrize("scale, zero", SCALES)
def test_gelu(scale, zero, target, tmp_path):
    rng = np.random.default_rng(2)
    constants = make_constants(scale, zero, rng)
    x = rng.integers(0, 256, (ROWS, DEPTH)).astype(np.uint8)
    (y,) = compile_gelu(x, constants, target, tmp_path).run({"x": x})
    np.testing.assert_array_equal(y, run_reference(x, constants))


@pytest.mark.parametrize("target", ["x86-64-v4", "amx"])
def test_gelu_emulated(target, quantc_cli, tmp_path):
    """On processors that this machine may not be."""
    rng = np.random.default_rng(3)
    constants = make_constants(*SCALES[0], rng)
    x = rng.integers(0, 256, (ROWS, DEPTH)).astype(np.uint8)
    compile_gelu(x, constants, "native", tmp_path)
    model, _ = compile_emulated(quantc_cli, tmp_path / "model.onnx", target, tmp_path)
    np.testing.assert_array_equal(model.run([x])[0], run_reference(x, constants))
