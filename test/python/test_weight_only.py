"""Products with low-bit weights, against ONNX Runtime on the same models."""

import os
import re
import subprocess
import sys

import numpy as np
import onnx
import pytest
from emulated_instructions import compile_emulated
from onnx import TensorProto, helper, numpy_helper

import quantc

ort = pytest.importorskip("onnxruntime")


def make_model(nodes, constants, shape, k, n, opset=21):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [*shape, k])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [*shape, n])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def constant(name, array):
    return numpy_helper.from_array(np.ascontiguousarray(array), name)


def make_nbits(k, n, block, bits, zero, shape, seed=0):
    """One MatMulNBits; `zero` is "none", "packed" or "float"."""
    rng = np.random.default_rng(seed)
    blocks = -(-k // block)
    packed = rng.integers(0, 256, (n, blocks, block * bits // 8), dtype=np.uint8)
    scales = rng.uniform(0.01, 0.05, (n, blocks)).astype(np.float32)
    constants = [constant("w", packed), constant("s", scales.reshape(-1))]
    names = ["x", "w", "s"]
    if zero == "packed":
        row = -(-blocks * bits // 8)
        constants.append(constant("z", rng.integers(0, 256, n * row, dtype=np.uint8)))
        names.append("z")
    elif zero == "float":
        constants.append(constant("z", rng.uniform(3, 12, n * blocks).astype(np.float32)))
        names.append("z")
    node = helper.make_node(
        "MatMulNBits", names, ["y"], domain="com.microsoft", K=k, N=n, bits=bits, block_size=block
    )
    return make_model([node], constants, shape, k, n)


def run_reference(model, x):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    # With optimizations, products with dequantized constants quantize x to 8 bits.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def check(model, shape, k, tolerance=1e-5):
    x = np.random.default_rng(7).standard_normal((*shape, k)).astype(np.float32)
    expected = run_reference(model, x)
    actual = quantc.compile(model.SerializeToString()).run({"x": x})[0]
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize(
    "recipe",
    ["w4-asym-g32", "w3-sym-g64", "w2-asym", "mxfp4", "w4a8-asym-g64", "w4-asym-g128", "w3-asym-g96", "w4a8-g160", "q4_k"],
)
def test_targets_agree(recipe, quantc_cli, tmp_path):
    """One row is multiplied in integers: the same bits, whatever instructions there are, and float's result."""
    rng = np.random.default_rng(3)
    w, x = rng.standard_normal((1088, 72), np.float32), rng.standard_normal((1, 1088), np.float32)
    x[:, 64:128] = 0
    model = make_model([helper.make_node("MatMul", ["x", "w"], ["y"])], [constant("w", w)], [1], 1088, 72)
    onnx.save(model, tmp_path / "model.onnx")
    models = [quantc.compile(model, quantize=recipe, target=target) for target in ("native", "x86-64-v3")]
    for target in ("x86-64-v4", "x86-64-v4,+avx512vnni"):
        (folder := tmp_path / target).mkdir()
        models.append(
            compile_emulated(quantc_cli, tmp_path / "model.onnx", target, folder, f"--quantize={recipe}")[0]
        )
    results = [model.run({"x": x})[0] for model in models]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    if "a8" not in recipe:
        weights = quantc.quantize_matrix(w, recipe)
        expected = x.astype(np.float64) @ weights.values.astype(np.float64)
        assert np.abs(results[0] - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("rows", [1, 2, 5, 40, "m"])
@pytest.mark.parametrize("recipe", ["w4-asym-g128", "w3-g48", "w8-asym-g700", "w6-sym-g1000"])
@pytest.mark.parametrize("k", [600, 1601])
def test_blocks_that_do_not_divide(k, rows, recipe):
    """The last block is short: the same numbers, as fast, and no bytes for what is not there."""
    rng = np.random.default_rng(2)
    w = rng.standard_normal((k, 72), np.float32)
    model = make_model([helper.make_node("MatMul", ["x", "w"], ["y"])], [constant("w", w)], [rows], k, 72)
    compiled = quantc.compile(model.SerializeToString(), quantize=recipe)
    weights = quantc.quantize_matrix(w, recipe)
    for count in (1, 9, 300) if rows == "m" else (rows,):
        x = rng.standard_normal((count, k), np.float32)
        expected = x.astype(np.float64) @ weights.values.astype(np.float64)
        actual = compiled.run({"x": x})[0]
        assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()
    bits, group = int(recipe[1]), int(recipe.rpartition("g")[2])
    # Columns are padded to whole panels, and a short block of one plane to whole words.
    if bits in (4, 8):
        assert compiled.weight_bytes <= 128 * ((k + 32) * bits / 8 + 5 * -(-k // group))


@pytest.mark.parametrize("recipe, bits", [("q6_k", 6.57), ("q4_k", 4.5), ("w4-sym-g64-dq", 4.17)])
@pytest.mark.parametrize("k", [1024, 960])
def test_scales_of_two_levels_stay_so(recipe, bits, k):
    """Bytes and a factor for each super-block, or column, and the same numbers as with floats; also of zeros."""
    rng = np.random.default_rng(4)
    w = rng.standard_normal((k, 128), np.float32)
    w[:, 5] = 0
    w[256:512, 7] = 0
    model = make_model([helper.make_node("MatMul", ["x", "w"], ["y"])], [constant("w", w)], [3], k, 128)
    compiled = quantc.compile(model.SerializeToString(), quantize=recipe)
    x = rng.standard_normal((3, k), np.float32)
    expected = x.astype(np.float64) @ quantc.quantize_matrix(w, recipe).values.astype(np.float64)
    assert np.abs(compiled.run({"x": x})[0] - expected).max() <= 1e-5 * np.abs(expected).max()
    assert 8 * compiled.weight_bytes <= 1.01 * bits * k * 128


@pytest.mark.parametrize("recipe", ["q4_k", "q4_k-g64", "{base: q4_k, weights: {bits: 3}}", "q4_k-a8"])
@pytest.mark.parametrize("rows, k", [(1, 1000), (3, 1000), ("m", 600), ("m", 256), ("m", 90)])
def test_offsets_of_super_blocks(recipe, rows, k):
    """As integers of 6 bits, also in super-blocks and blocks that are short, and with factors of any size."""
    if recipe == "q4_k-a8":
        recipe = "{base: q4_k, activations: {mode: dynamic, granularity: token, signed: true, scheme: restricted}}"
    rng = np.random.default_rng(6)
    w = rng.standard_normal((k, 72), np.float32) * np.exp2(rng.integers(-14, 12, 72)).astype(np.float32)
    w[:, 3] = np.abs(w[:, 3])
    w[:, 4] += 4 * np.abs(w[:, 4]).max()
    w[:64, 5] = 0
    model = make_model([helper.make_node("MatMul", ["x", "w"], ["y"])], [constant("w", w)], [rows], k, 72)
    compiled = quantc.compile(model.SerializeToString(), quantize=recipe)
    weights = quantc.quantize_matrix(w, recipe).values.astype(np.float64)
    for count in (1, 3, 40) if rows == "m" else (rows,):
        x = rng.standard_normal((count, k), np.float32)
        x[:, 32:64] *= 1e-3
        tokens = x
        if "token" in recipe:
            scale = np.abs(x).max(1, keepdims=True) / np.float32(127)
            tokens = np.rint(x / scale) * scale
        expected = tokens.astype(np.float64) @ weights
        bound = 1e-5 * (np.abs(tokens.astype(np.float64)) @ np.abs(weights)).max(0)
        assert (np.abs(compiled.run({"x": x})[0] - expected) <= bound).all()
    size, bits = (64 if "g64" in recipe else 32), (3 if "bits" in recipe else 4)
    blocks, super_blocks = -(-k // size), -(-k // 256)
    # Columns are padded to whole panels, and blocks to whole words.
    assert compiled.weight_bytes <= 96 * (blocks * size * bits / 8 + 1.5 * (blocks + 1) + 4 * super_blocks)


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("recipe", ["w8a8-dynamic-token", "w4a8-g64"])
def test_tokens_of_bytes(recipe, rows):
    """Each token has a scale, and sums of integers are exact."""
    rng = np.random.default_rng(5)
    w = rng.standard_normal((1088, 72), np.float32)
    x = rng.standard_normal((rows, 1088), np.float32) * np.exp2(np.arange(rows, dtype=np.float32))[:, None]
    model = make_model([helper.make_node("MatMul", ["x", "w"], ["y"])], [constant("w", w)], [rows], 1088, 72)
    found = quantc.compile(model.SerializeToString(), quantize=recipe).run({"x": x})[0]
    weights = quantc.quantize_matrix(w, recipe).values.astype(np.float64)
    scale = np.abs(x).max(1, keepdims=True) / np.float32(127)
    expected = (np.rint(x / scale).astype(np.float64) @ weights) * scale
    assert np.abs(found - expected).max(1) == pytest.approx(0, abs=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("zero", ["none", "packed", "float"])
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_matmul_nbits(zero, rows):
    check(make_nbits(128, 72, 32, 4, zero, [rows]), [rows], 128)


@pytest.mark.parametrize("k, n, block, bits", [(256, 64, 128, 4), (96, 200, 16, 4), (64, 33, 64, 8), (80, 24, 32, 4)])
def test_matmul_nbits_sizes(k, n, block, bits):
    check(make_nbits(k, n, block, bits, "packed", [2, 5]), [2, 5], k)


def make_qdq(k, n, axis, block, dtype, zero):
    """DequantizeLinear of a constant, then MatMul."""
    rng = np.random.default_rng(1)
    onnx_type = getattr(TensorProto, dtype)
    low, high = {"INT4": (-8, 7), "UINT4": (0, 15), "INT8": (-128, 127), "UINT8": (0, 255)}[dtype]
    shape = (-(-k // block), n) if block else ((n,) if axis == 1 else ())
    make = helper.make_tensor
    values = rng.integers(low, high + 1, k * n).tolist()
    scales = rng.uniform(0.01, 0.05, shape).astype(np.float32)
    constants = [make("w", onnx_type, (k, n), values), constant("s", scales)]
    names = ["w", "s"]
    if zero:
        zeros = rng.integers(low, high + 1, int(np.prod(shape))).tolist()
        constants.append(make("z", onnx_type, shape, zeros))
        names.append("z")
    attributes = {"axis": axis}
    if block:
        attributes["block_size"] = block
    nodes = [
        helper.make_node("DequantizeLinear", names, ["r"], **attributes),
        helper.make_node("MatMul", ["x", "r"], ["p"]),
        helper.make_node("Relu", ["p"], ["y"]),
    ]
    return make_model(nodes, constants, ["m"], k, n)


@pytest.mark.parametrize("dtype", ["INT4", "UINT4", "INT8", "UINT8"])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("axis, block", [(0, 32), (1, 0), (0, 0)])
@pytest.mark.parametrize("rows", [1, 17])
def test_dequantized_constant(dtype, zero, axis, block, rows):
    check(make_qdq(64, 40, axis, block, dtype, zero), [rows], 64)


def make_bnb4(k, n, block, kind):
    rng = np.random.default_rng(2)
    packed = rng.integers(0, 256, (n * k + 1) // 2, dtype=np.uint8)
    absmax = rng.uniform(0.5, 2, n * k // block).astype(np.float32)
    node = helper.make_node(
        "MatMulBnb4", ["x", "w", "s"], ["y"], domain="com.microsoft", K=k, N=n, block_size=block, quant_type=kind
    )
    return make_model([node], [constant("w", packed), constant("s", absmax)], ["m"], k, n)


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("rows", [1, 9])
def test_codebooks(kind, rows):
    check(make_bnb4(128, 48, 64, kind), [rows], 128)


@pytest.mark.parametrize("bits, bytes_per_weight", [(8, 1.0), (4, 0.5), (2, 0.25)])
def test_library_holds_packed_weights(tmp_path, bits, bytes_per_weight):
    """Neither a byte a weight for fewer bits, nor a float copy."""
    k = n = 1024
    model = make_nbits(k, n, 128, bits, "none", ["m"])
    onnx.save(model, tmp_path / "m.onnx")
    empty = make_nbits(128, 16, 128, bits, "none", ["m"])
    sizes = []
    for name, proto in (("large", model), ("small", empty)):
        library = tmp_path / f"{name}.so"
        quantc.compile(proto.SerializeToString(), output=str(library))
        sizes.append(library.stat().st_size)
    scales = 4 * k // 128 * n
    expected = bytes_per_weight * k * n + scales
    assert 0.98 * expected <= sizes[0] - sizes[1] <= 1.05 * expected


MEASURE = """
import sys, numpy as np, quantc
def resident():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1]) * 1024
np.ones((40, 1)) @ np.ones((1, 1))
before = resident()
model = quantc.load(sys.argv[1])
for rows in 1, 40, 1:
    model.run({"x": np.ones((rows, int(sys.argv[2])), np.float32)})
print(resident() - before)
"""


def test_no_float_copy_at_run_time(tmp_path):
    """What a process gains by a model with 4-bit weights, one row and many: far from 4 bytes a weight."""
    k = n = 2048
    library = tmp_path / "m.so"
    quantc.compile(make_nbits(k, n, 128, 4, "packed", ["m"]).SerializeToString(), output=str(library))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", MEASURE, str(library), str(k)]
    gained = int(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    assert k * n // 2 <= gained < k * n * 2


def test_compiler_gives_weights_back(tmp_path, quantc_cli):
    """Float weights in a file of their own are in memory one at a time; what stays is a byte a weight."""
    size, peaks = 1024, []
    for count in 2, 34:
        rng = np.random.default_rng(0)
        weights = [constant(f"w{i}", rng.standard_normal((size, size), np.float32)) for i in range(count)]
        names = ["x", *(f"y{i}" for i in range(count - 1)), "y"]
        nodes = [helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]]) for i in range(count)]
        path = tmp_path / f"{count}.onnx"
        onnx.save(make_model(nodes, weights, ["m"], size, size), path, save_as_external_data=True)
        done = quantc_cli("compile", path, "--quantize=w4-g128", "--print-stats", "-o", tmp_path / "m.so")
        assert done.returncode == 0, done.stderr
        text = done.stdout + done.stderr
        peaks.append(float(re.search(r"peak memory +([\d.]+) MB", text)[1]) * 1e6)
    # 4 bytes a weight are read, and half a byte is written.
    assert (peaks[1] - peaks[0]) / (32 * size * size) < 2
