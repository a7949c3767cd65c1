"""Products of floats whose factors may be rounded to bf16 (`--float-products`)."""

import ml_dtypes
import numpy as np
import onnx
import pytest
from emulated_instructions import compile_emulated
from onnx import helper, numpy_helper
from test_integer_products import convolve

import quantc

# What multiplies bf16, and what it is called in the code.
TARGETS = [
    ("x86-64-v4,+avx512bf16", "avx512bf16.dpbf16ps.512"),
    ("amx", "tdpbf16ps.internal"),
]


def round_bf16(x):
    return x.astype(ml_dtypes.bfloat16).astype(np.float64)


def save(path, nodes, inputs, outputs, constants):
    def info(name, shape):
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes, "floats", [info(*i) for i in inputs.items()], [info(*o) for o in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def check(got, expected, sizes):
    """`sizes` are the sums of the products' magnitudes: floats of f32 were added up in any order."""
    np.testing.assert_array_less(np.abs(got - expected), 1e-6 * sizes + 1e-30)


def build_matmul(path, rng, m, k, n):
    x = rng.standard_normal((m, k)).astype(np.float32)
    w = rng.standard_normal((k, n)).astype(np.float32)
    save(path, [helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["m", k]}, {"y": ["m", n]}, {"w": w})
    return x, w


@pytest.mark.parametrize(("target", "instruction"), TARGETS)
@pytest.mark.parametrize("shape", [(1, 33, 20), (5, 64, 16), (40, 77, 53), (33, 1030, 96), (16, 1, 7)])
def test_matmul(target, instruction, shape, rng, quantc_cli, tmp_path):
    x, w = build_matmul(tmp_path / "model.onnx", rng, *shape)
    shapes = [f"--shape=x:{shape[0]}x{shape[1]}"] if shape[0] < 40 else []
    model, emulated = compile_emulated(
        quantc_cli, tmp_path / "model.onnx", target, tmp_path, "--float-products=bf16", *shapes
    )
    # A few rows would leave tiles empty.
    few = instruction.startswith("tdp") and shapes and shape[0] < 8
    assert f"llvm.x86.{TARGETS[0][1] if few else instruction}" in emulated
    a, b = round_bf16(x), round_bf16(w)
    check(model.run([x])[0], a @ b, np.abs(a) @ np.abs(b))


@pytest.mark.parametrize(("target", "instruction"), TARGETS)
@pytest.mark.parametrize(
    ("channels", "filters", "kernel", "stride", "image"),
    [(6, 5, 3, 1, (9, 11)), (3, 16, 3, 2, (17, 14)), (33, 40, 1, 1, (6, 7)), (16, 32, 5, 1, (20, 20))],
)
def test_convolution(target, instruction, channels, filters, kernel, stride, image, rng, quantc_cli, tmp_path):
    x = rng.standard_normal((2, channels, *image)).astype(np.float32)
    w = rng.standard_normal((filters, channels, kernel, kernel)).astype(np.float32)
    bias = rng.standard_normal(filters).astype(np.float32)
    pads = [kernel // 2] * 4
    node = helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=pads, strides=[stride] * 2)
    a, b = round_bf16(x), round_bf16(w)
    sums = [convolve(p, q, (stride,) * 2, (1, 1), pads, 1) for p, q in ((a, b), (np.abs(a), np.abs(b)))]
    expected = sums[0] + bias[:, None, None]
    save(
        tmp_path / "model.onnx", [node, helper.make_node("Relu", ["c"], ["y"])], {"x": x.shape},
        {"y": expected.shape}, {"w": w, "b": bias},
    )  # fmt: skip
    model, emulated = compile_emulated(
        quantc_cli, tmp_path / "model.onnx", target, tmp_path, "--float-products=bf16"
    )
    assert {f"llvm.x86.{name}" for _, name in TARGETS} & emulated
    check(model.run([x])[0], np.maximum(expected, 0), sums[1] + np.abs(bias)[:, None, None])


def test_weights_take_half(rng, tmp_path):
    """Where bf16 is not multiplied, weights are stored so, and what they are multiplied by is not rounded."""
    x, w = build_matmul(tmp_path / "model.onnx", rng, 3, 500, 700)
    models = {
        form: quantc.compile(str(tmp_path / "model.onnx"), target="x86-64-v3", float_products=form)
        for form in ("f32", "bf16")
    }
    assert models["f32"].weight_bytes > 1.9 * models["bf16"].weight_bytes
    b = round_bf16(w)
    check(models["bf16"].run([x])[0], x.astype(np.float64) @ b, np.abs(x) @ np.abs(b))
    assert (models["f32"].run([x])[0] != models["bf16"].run([x])[0]).any()


def test_activations_are_left(rng, tmp_path):
    """A product of two activations has no weights."""
    nodes = [helper.make_node("MatMul", ["x", "z"], ["y"])]
    save(tmp_path / "model.onnx", nodes, {"x": [4, 30], "z": [30, 20]}, {"y": [4, 20]}, {})
    x, z = (rng.standard_normal(shape).astype(np.float32) for shape in ((4, 30), (30, 20)))
    one, other = (quantc.compile(str(tmp_path / "model.onnx"), float_products=form) for form in ("f32", "bf16"))
    np.testing.assert_array_equal(one.run([x, z])[0], other.run([x, z])[0])


def test_unknown_form(quantc_cli, rng, tmp_path):
    build_matmul(tmp_path / "model.onnx", rng, 3, 5, 7)
    done = quantc_cli("compile", tmp_path / "model.onnx", "--float-products=f64", "-o", tmp_path / "model.so")
    assert done.returncode == 1
    assert "--float-products=f64: use f32 or bf16" in done.stderr
    assert not (tmp_path / "model.so").exists()
    done = quantc_cli("compile", tmp_path / "model.onnx", "--float-products=bf16", "--emit=linalg")
    assert done.returncode == 1 and "not between the input and what --emit asks for" in done.stderr
    with pytest.raises(quantc.CompileError, match="'f32' or 'bf16', got 'half'"):
        quantc.compile(str(tmp_path / "model.onnx"), float_products="half")
