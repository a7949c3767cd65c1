"""Heads of a cache that serve several heads of queries: read where they lie, not repeated."""

import subprocess
import sys

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc
from quantc import generation

HEADS, GROUP, SIZE = 2, 3, 32


def make_decoder(repeat):
    """Attention behind an embedding of few tokens; `repeat` makes GROUP copies of each head."""
    rng = np.random.default_rng(5)
    width = HEADS * GROUP * SIZE
    constants = {
        "table": rng.standard_normal((50, width), np.float32),
        "wq": rng.standard_normal((width, width), np.float32) * width**-0.5,
        "wk": rng.standard_normal((width, HEADS * SIZE), np.float32) * width**-0.5,
        "wv": rng.standard_normal((width, HEADS * SIZE), np.float32) * width**-0.5,
        "wy": rng.standard_normal((width, 50), np.float32) * width**-0.5,
        "zero": np.int64(0),
        "one": np.int64(1),
        "two": np.int64(2),
        "first": np.array([0]),
        "second": np.array([1]),
        "third": np.array([2]),
        "size": np.array([SIZE]),
        "by_group": np.array([1, HEADS, GROUP]),
        "flat": np.array([1, HEADS * GROUP]),
        "heads": np.repeat(np.arange(HEADS), GROUP),
        "split_q": np.array([1, -1, HEADS * GROUP, SIZE]),
        "split_kv": np.array([1, -1, HEADS, SIZE]),
        "merged": np.array([1, -1, width]),
        "scale": np.float32(SIZE**-0.5),
        "nothing": np.float32(0),
        "never": np.float32(-1e9),
    }
    nodes = []

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    node("Shape", ["input_ids"], "ids_shape")
    node("Gather", ["ids_shape", "one"], "seq")
    node("Shape", ["past.k"], "past_shape")
    node("Gather", ["past_shape", "two"], "past")
    node("Add", ["past", "seq"], "total")
    node("Range", ["past", "total", "one"], "rows")
    node("Range", ["zero", "total", "one"], "columns")
    node("Unsqueeze", ["rows", "second"], "rows1")
    node("LessOrEqual", ["columns", "rows1"], "visible")
    node("Where", ["visible", "nothing", "never"], "mask")
    node("Unsqueeze", ["total", "first"], "total1")
    node("Concat", ["by_group", "total1", "size"], "wide_shape", axis=0)
    node("Concat", ["flat", "total1", "size"], "flat_shape", axis=0)
    node("Gather", ["table", "input_ids"], "x")
    for part in "qkv":
        node("MatMul", ["x", f"w{part}"], f"{part}0")
        node("Reshape", [f"{part}0", "split_q" if part == "q" else "split_kv"], f"{part}1")
        node("Transpose", [f"{part}1"], f"{part}2", perm=[0, 2, 1, 3])
    for part in "kv":
        node("Concat", [f"past.{part}", f"{part}2"], f"present.{part}", axis=2)
        if repeat == "Expand":
            node("Unsqueeze", [f"present.{part}", "third"], f"{part}3")
            node("Expand", [f"{part}3", "wide_shape"], f"{part}4")
            node("Reshape", [f"{part}4", "flat_shape"], f"{part}5")
        else:
            node("Gather", [f"present.{part}", "heads"], f"{part}5", axis=1)
    node("Transpose", ["k5"], "kt", perm=[0, 1, 3, 2])
    node("MatMul", ["q2", "kt"], "scores")
    node("Mul", ["scores", "scale"], "scaled")
    node("Add", ["scaled", "mask"], "masked")
    node("Softmax", ["masked"], "weights", axis=-1)
    node("MatMul", ["weights", "v5"], "mixed")
    node("Transpose", ["mixed"], "mixed1", perm=[0, 2, 1, 3])
    node("Reshape", ["mixed1", "merged"], "mixed2")
    node("MatMul", ["mixed2", "wy"], "logits")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "decoder",
        [
            value("input_ids", TensorProto.INT64, [1, "seq"]),
            *(value(f"past.{part}", TensorProto.FLOAT, [1, HEADS, "past", SIZE]) for part in "kv"),
        ],
        [
            value("logits", TensorProto.FLOAT, [1, "seq", 50]),
            *(value(f"present.{part}", TensorProto.FLOAT, [1, HEADS, "total", SIZE]) for part in "kv"),
        ],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return model.SerializeToString()


STEPS = [[3, 7, 1, 44, 9], [5], [12], [0, 1, 2, 3], *([i % 50] for i in range(70)), [4, 4]]


@pytest.mark.parametrize("in_place", [False, True], ids=["copied", "in-place"])
def test_equals_onnx_runtime(in_place, tmp_path):
    model = make_decoder("Expand")
    quantc.compile(model, output=str(tmp_path / "model.so"), kv_cache_in_place=in_place)
    decoder = generation.Decoder(str(tmp_path / "model.so"), capacity=96)
    session = ort.InferenceSession(model)
    cache = {f"past.{part}": np.zeros((1, HEADS, 0, SIZE), np.float32) for part in "kv"}
    for tokens in STEPS:
        expected, *present = session.run(None, {"input_ids": np.array([tokens]), **cache})
        cache = dict(zip(cache, present))
        found = decoder.feed(tokens)
        np.testing.assert_allclose(found, expected[0][-len(found) :], rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("in_place", [False, True], ids=["copied", "in-place"])
@pytest.mark.parametrize("kv_cache", ["int8", "int4", "fp8"])
@pytest.mark.parametrize("recipe", [None, "w4-asym-g32"])
def test_equals_copied_heads(recipe, kv_cache, in_place, tmp_path):
    """A gather says the same as an expansion, and is left as it is."""
    decoders = []
    for repeat in ("Expand", "Gather"):
        path = str(tmp_path / f"{repeat}.so")
        quantc.compile(
            make_decoder(repeat), output=path, quantize=recipe, kv_cache=kv_cache, kv_cache_in_place=in_place
        )
        decoders.append(generation.Decoder(path, capacity=96))
    for tokens in STEPS:
        shared, copied = (decoder.feed(tokens) for decoder in decoders)
        np.testing.assert_allclose(shared, copied, rtol=1e-5, atol=1e-5 * np.abs(copied).max())


@pytest.mark.parametrize("target", ["native", "x86-64"])
@pytest.mark.parametrize("threads", [1, 2])
def test_prompts(threads, target, tmp_path):
    """As many tokens at once as make several tasks, or none of a block, with a cache of any length before."""
    model = make_decoder("Expand")
    quantc.compile(model, output=str(tmp_path / "model.so"), kv_cache_in_place=True, target=target)
    decoder = generation.Decoder(str(tmp_path / "model.so"), capacity=600)
    decoder.model.set_num_threads(threads)
    session = ort.InferenceSession(model)
    cache = {f"past.{part}": np.zeros((1, HEADS, 0, SIZE), np.float32) for part in "kv"}
    rng = np.random.default_rng(threads)
    for count in (17, 1, 100, 2, 1, 260, 19):
        tokens = rng.integers(0, 50, count)
        expected, *present = session.run(None, {"input_ids": tokens[None], **cache})
        cache = dict(zip(cache, present))
        found = decoder.feed(tokens)
        np.testing.assert_allclose(found, expected[0], rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_memory(tmp_path):
    """Scores of 6 x 2000 x 2000 floats would be 96 MB; the mask is 16 MB, and all else below 8."""
    quantc.compile(make_decoder("Expand"), output=str(tmp_path / "model.so"), kv_cache_in_place=True)
    script = """
import resource, sys, numpy as np
from quantc import generation
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
decoder = generation.Decoder(sys.argv[1], capacity=2000)
before = peak()
decoder.feed(np.arange(2000) % 50)
print(peak() - before)
"""
    command = [sys.executable, "-c", script, tmp_path / "model.so"]
    grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown < 40, f"{grown} MB"


@pytest.mark.parametrize("length", [-1, 97, 2**63 - 1])
def test_bad_lengths(length, tmp_path):
    """Sizes are computed of the length: it is checked before."""
    model = quantc.compile(make_decoder("Expand"), output=str(tmp_path / "model.so"), kv_cache_in_place=True)
    cache = {f"past.{part}": np.zeros((1, HEADS, 96, SIZE), np.float32) for part in "kv"}
    feed = {"input_ids": np.array([[1, 2]]), "past.length": np.array([length]), **cache}
    with pytest.raises(quantc.RunError, match="cache is negative" if length < 0 else "cache is full"):
        model.run(feed)
