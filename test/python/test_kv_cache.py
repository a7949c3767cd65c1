"""Caches in few bits: the arithmetic against numpy, and perplexity on a trained model."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper

import quantc
from quantc import generation, language

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "lm"
if not (FOLDER / "decode.onnx").exists():
    FOLDER = Path("/work/shared/lm")

HEADS, SIZE, GROUP, WINDOW = 2, 64, 32, 32


def make_cache(are_values):
    """y = q · Kᵀ, or p · V, over all tokens so far."""
    value = helper.make_tensor_value_info
    nodes = [helper.make_node("Concat", ["past.x", "new"], ["present.x"], axis=2)]
    if are_values:
        nodes.append(helper.make_node("MatMul", ["left", "present.x"], ["y"]))
    else:
        nodes.append(helper.make_node("Transpose", ["present.x"], ["t"], perm=[0, 1, 3, 2]))
        nodes.append(helper.make_node("MatMul", ["left", "t"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "cache",
        [
            value("new", TensorProto.FLOAT, [1, HEADS, "n", SIZE]),
            value("left", TensorProto.FLOAT, [1, HEADS, 1, "total" if are_values else SIZE]),
            value("past.x", TensorProto.FLOAT, [1, HEADS, "past", SIZE]),
        ],
        [
            value("y", TensorProto.FLOAT, [1, HEADS, 1, SIZE if are_values else "total"]),
            value("present.x", TensorProto.FLOAT, [1, HEADS, "all", SIZE]),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def by_token(x, largest, round_to):
    scale = np.maximum(np.abs(x).max(-1, keepdims=True) * np.float32(1 / largest), np.float32(2.0**-14))
    return round_to(x / scale).astype(np.float32) * scale


def by_group(x, axis):
    """Numbers of 4 bits between the least and the largest along an axis."""
    least, most = x.min(axis, keepdims=True), x.max(axis, keepdims=True)
    scale = np.maximum((most - least) * np.float32(1 / 15), np.float32(2.0**-14)).astype(np.float16)
    least = least.astype(np.float16)
    codes = np.clip(np.rint((x - least.astype(np.float32)) / scale.astype(np.float32)), 0, 15)
    return codes * scale.astype(np.float32) + least.astype(np.float32)


def reference(x, kv_cache, are_values):
    """What attention reads of tokens [1, heads, tokens, size] that came before."""
    if kv_cache == "int8":
        return by_token(x, 127, lambda v: np.clip(np.rint(v), -128, 127))
    if kv_cache == "fp8":
        return by_token(x, 448, lambda v: np.clip(v, -448, 448).astype(ml_dtypes.float8_e4m3fn))
    done = max(0, x.shape[2] - WINDOW) // GROUP * GROUP
    old, recent = x[:, :, :done], x[:, :, done:]
    if are_values:
        old = by_group(old.reshape(1, HEADS, done, SIZE // GROUP, GROUP), 4)
    elif done:
        old = by_group(old.reshape(1, HEADS, done // GROUP, GROUP, SIZE), 3)
    return np.concatenate([old.reshape(1, HEADS, done, SIZE), recent], 2)


@pytest.mark.parametrize("are_values", [False, True], ids=["keys", "values"])
@pytest.mark.parametrize("kv_cache", ["int8", "fp8", "int4"])
def test_arithmetic(kv_cache, are_values, rng):
    model = quantc.compile(make_cache(are_values), kv_cache=kv_cache)
    state = {
        i.name: np.zeros([0 if d == 2 else size for d, size in enumerate(i.shape)], generation.dtype_of(i))
        for i in model.inputs
        if i.name.startswith("past")
    }
    x = np.zeros((1, HEADS, 0, SIZE), np.float32)
    # Prompts and single tokens, over the borders of groups; a token of zeros.
    for step, count in enumerate([5, 1, 57, 1, 1, 70, 0, 1, 1]):
        new = rng.standard_normal((1, HEADS, count, SIZE)).astype(np.float32)
        new[..., 3] *= 10
        if step == 1:
            new[:] = 0
        x = np.concatenate([x, new], 2)
        left = rng.standard_normal((1, HEADS, 1, x.shape[2] if are_values else SIZE)).astype(np.float32)
        results = dict(zip([o.name for o in model.outputs], model.run({"new": new, "left": left, **state})))
        state = {name: results[name.replace("past", "present")] for name in state}
        expected = reference(x, kv_cache, are_values)
        y = left @ (expected if are_values else expected.swapaxes(2, 3))
        np.testing.assert_allclose(results["y"], y, rtol=1e-5, atol=1e-5 * np.abs(y).max())
    bytes_of = {name: array.nbytes for name, array in state.items()}
    tokens = x.shape[2]
    if kv_cache == "int4":
        done = max(0, tokens - WINDOW) // GROUP * GROUP
        assert done == 96
        assert bytes_of["past.x"] == HEADS * done * SIZE // 2
        assert bytes_of["past.x.scale"] == bytes_of["past.x.offset"] == HEADS * done * SIZE // GROUP * 2
        assert bytes_of["past.x.recent"] == HEADS * (tokens - done) * SIZE * 4
    else:
        assert bytes_of == {"past.x": HEADS * tokens * SIZE, "past.x.scale": HEADS * tokens * 4}


def test_models_without_a_cache_are_refused():
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    with pytest.raises(quantc.CompileError, match="has no cache to quantize"):
        quantc.compile(model, kv_cache="int8")
    with pytest.raises(quantc.CompileError, match="a cache is stored in int8, int4 or fp8, not in 'int5'"):
        quantc.compile(make_cache(False), kv_cache="int5")


@pytest.mark.skipif(not (FOLDER / "decode.onnx").exists(), reason="needs the language model")
def test_perplexity(tmp_path):
    """Within a percentage of the float cache, on windows of the training length."""
    tokens = np.load(FOLDER / "test_tokens.npy")
    scores, sizes = {}, {}
    for kv_cache in (None, "int8", "fp8", "int4"):
        path = tmp_path / f"{kv_cache}.so"
        quantc.compile(str(FOLDER / "decode.onnx"), output=str(path), kv_cache=kv_cache)
        scores[kv_cache] = language.evaluate(str(path), tokens, window=256, limit=4).perplexity
        decoder = generation.Decoder(str(path))
        decoder.feed(tokens[:256])
        sizes[kv_cache] = decoder.cache_bytes
    assert scores["int8"] <= 1.001 * scores[None]
    assert scores["fp8"] <= 1.005 * scores[None]
    assert scores["int4"] <= 1.015 * scores[None]
    assert sizes["int8"] == sizes["fp8"] < 0.27 * sizes[None]
    assert sizes["int4"] < 0.36 * sizes[None]
