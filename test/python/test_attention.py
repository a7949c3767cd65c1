"""Attention as one loop over rows: against ONNX Runtime, on each instruction set
that this machine can run, and without a matrix of queries by keys in memory."""

import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc

MASKS = {"none": None, "keys": (2, 1, 1, "n"), "rows": (1, 1, "m", "n"), "heads": (1, 3, "m", "n")}


def build(path, batch, heads, queries, keys, size, mask="none", quantized=False, dynamic=(), flat_keys=False):
    """softmax(q kᵀ + mask) v, each from (batch, position, head, element); sizes in `dynamic` are names."""
    nodes, constants = [], {}

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def quantize(value, scale, zero):
        if not quantized:
            return value
        names = [f"{value}_scale", f"{value}_zero"]
        constants[names[0]], constants[names[1]] = np.float32(scale), np.uint8(zero)
        node("QuantizeLinear", [value, *names], f"{value}_bytes")
        return node("DequantizeLinear", [f"{value}_bytes", *names], f"{value}_q")

    q = node("Transpose", [quantize("q", 0.02, 128)], "q_heads", perm=[0, 2, 1, 3])
    k = quantize("k", 0.03, 120)
    if not flat_keys:
        k = node("Transpose", [k], "k_heads", perm=[0, 2, 3, 1])
    v = node("Transpose", [quantize("v", 0.025, 131)], "v_heads", perm=[0, 2, 1, 3])
    scores = quantize(node("MatMul", [q, k], "scores"), 0.2, 110)
    if mask != "none":
        scores = node("Add", [scores, "mask"], "masked")
    weights = quantize(node("Softmax", [scores], "weights", axis=-1), 1 / 256, 0)
    mixed = quantize(node("MatMul", [weights, v], "mixed"), 0.02, 127)
    node("Transpose", [mixed], "y", perm=[0, 2, 1, 3])
    sizes = {"m": queries, "n": keys}
    shapes = {"q": (batch, "m", heads, size), "k": (batch, heads, size, "n") if flat_keys else (batch, "n", heads, size)}
    shapes["v"] = (batch, "n", heads, size)
    if mask != "none":
        shapes["mask"] = MASKS[mask]

    def info(name, shape):
        return helper.make_tensor_value_info(
            name, TensorProto.FLOAT, [s if s in tuple(dynamic) else sizes.get(s, s) for s in shape]
        )

    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(
        nodes, "attention", [info(*item) for item in shapes.items()], [info("y", shapes["q"])], initializers
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    rng = np.random.default_rng(7)
    feed = {name: rng.standard_normal([sizes.get(s, s) for s in shape], np.float32) for name, shape in shapes.items()}
    if mask != "none":
        feed["mask"] = np.where(feed["mask"] > 0.5, np.float32(-1e9), np.float32(0))
    return feed


def check(path, feed, quantized=False, threads=2, **options):
    session = ort.SessionOptions()
    session.add_session_config_entry("session.x64quantprecision", "1")
    (expected,) = ort.InferenceSession(path, session).run(None, feed)
    model = quantc.compile(str(path), **options)
    model.set_num_threads(threads)
    (y,) = model.run(feed)
    # Scores of up to 30 have an ulp of 2e-6, and so have the logarithms of weights.
    tolerance = dict(rtol=0, atol=0) if quantized else dict(rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(y, expected, **tolerance)
    return model


@pytest.mark.parametrize("target", ["native", "x86-64-v3", "x86-64"])
@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize(
    ("queries", "keys", "size"), [(64, 64, 32), (37, 53, 29), (128, 30, 64), (17, 600, 16), (300, 7, 40), (1, 9, 8)]
)
def test_sizes(queries, keys, size, quantized, target, tmp_path):
    feed = build(tmp_path / "model.onnx", 2, 3, queries, keys, size, quantized=quantized)
    check(tmp_path / "model.onnx", feed, quantized, target=target)


@pytest.mark.parametrize("mask", [name for name in MASKS if name != "none"])
def test_masks(mask, tmp_path):
    feed = build(tmp_path / "model.onnx", 2, 3, 45, 70, 16, mask)
    check(tmp_path / "model.onnx", feed)


# Without the number of keys, the powers of bytes are not scaled as ONNX Runtime
# scales them, and single bytes round to their neighbour.
@pytest.mark.parametrize("dynamic", ["", "mn"])
@pytest.mark.parametrize("masked", [-1e9, -np.inf, np.finfo(np.float32).min, -1e4, np.nan])
@pytest.mark.parametrize(("queries", "keys", "mask"), [(70, 70, "rows"), (33, 131, "heads"), (1, 40, "rows")])
def test_causal(queries, keys, mask, masked, dynamic, tmp_path):
    """Columns behind the last that a block of rows sees are left out, unless a row sees none at all."""
    path = tmp_path / "model.onnx"
    feed = build(path, 2, 3, queries, keys, 20, mask=mask, dynamic=dynamic)
    shape = np.broadcast_shapes(feed["mask"].shape, (1, 1, queries, keys))
    for first_seen in (0, 3):
        rows = np.arange(queries)[:, None] + keys - queries
        # Behind `first_seen` rows of padding at the left: those see nothing.
        hidden = (np.arange(keys) > rows) | (np.arange(queries)[:, None] < first_seen)
        feed["mask"] = np.broadcast_to(np.where(hidden, np.float32(masked), np.float32(0)), shape).copy()
        feed["mask"][:, -1, :, : keys // 2] -= 0.5
        check(path, feed)


@pytest.mark.parametrize(("dynamic", "quantized"), [("m", False), ("n", False), ("mn", False), ("m", True)])
def test_sizes_of_the_run(dynamic, quantized, tmp_path):
    feed = build(tmp_path / "model.onnx", 2, 3, 50, 71, 24, quantized=quantized, dynamic=dynamic)
    model = check(tmp_path / "model.onnx", feed, quantized)
    if "n" in dynamic:
        fewer = {name: value if name == "q" else value[:, :33] for name, value in feed.items()}
        (expected,) = ort.InferenceSession(tmp_path / "model.onnx").run(None, fewer)
        np.testing.assert_allclose(model.run(fewer)[0], expected, rtol=1e-5, atol=1e-5)


def test_keys_that_are_transposed(tmp_path):
    feed = build(tmp_path / "model.onnx", 2, 3, 40, 80, 24, quantized=True, flat_keys=True)
    check(tmp_path / "model.onnx", feed, quantized=True)


def test_scores_that_are_an_output(tmp_path):
    """They have to be stored: nothing is joined."""
    path = tmp_path / "model.onnx"
    feed = build(path, 1, 2, 20, 24, 16)
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_value_info("weights", TensorProto.FLOAT, (1, 2, 20, 24)))
    onnx.save(model, path)
    expected = ort.InferenceSession(path).run(None, feed)
    for y, e in zip(quantc.compile(str(path)).run(feed), expected, strict=True):
        np.testing.assert_allclose(y, e, rtol=1e-5, atol=1e-5)


def test_norms_of_a_vector():
    """Their sums of products have no rows and columns as attention's have."""
    nodes = [
        helper.make_node("LayerNormalization", ["x", "w"], ["n"], name="first", axis=-1),
        helper.make_node("LayerNormalization", ["n", "w"], ["y"], name="second", axis=-1),
    ]
    border = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [63]) for name in "xy"]
    weights = numpy_helper.from_array(np.linspace(1, 2, 63, dtype=np.float32), "w")
    graph = helper.make_graph(nodes, "norms", border[:1], border[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    x = np.sin(np.arange(63, dtype=np.float32))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(quantc.compile(model).run([x])[0], session.run(None, {"x": x})[0], atol=1e-5)


@pytest.mark.parametrize("dynamic", ["", "mn"])
def test_memory(dynamic, tmp_path):
    """Scores of 4 x 2000 x 2000 floats would be 64 MB."""
    feed = build(tmp_path / "model.onnx", 1, 4, 2000, 2000, 32, dynamic=dynamic)
    np.savez(tmp_path / "feed.npz", **feed)
    quantc.compile(str(tmp_path / "model.onnx"), output=str(tmp_path / "model.so"))
    script = """
import resource, sys, numpy as np, quantc
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
feed = dict(np.load(sys.argv[2]))
model = quantc.load(sys.argv[1])
before = peak()
model.run(feed)
print(peak() - before)
"""
    command = [sys.executable, "-c", script, tmp_path / "model.so", tmp_path / "feed.npz"]
    grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown < 16, f"{grown} MB"
