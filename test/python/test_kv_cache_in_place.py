"""Caches that grow in the caller's memory: equal to the plain graph, from Python and from C."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

import quantc
from quantc import generation
from test_kv_cache import FOLDER, HEADS, SIZE, make_cache


def run_both(plain, in_place, steps, rng, are_values=False):
    """The results of two libraries, token by token; the second one's buffers."""
    past = np.zeros((1, HEADS, 0, SIZE), np.float32)
    buffer = np.full((1, HEADS, 40, SIZE), np.nan, np.float32)
    length = np.zeros(1, np.int64)
    for count in steps:
        new = rng.standard_normal((1, HEADS, count, SIZE)).astype(np.float32)
        total = past.shape[2] + count
        left = rng.standard_normal((1, HEADS, 1, total if are_values else SIZE)).astype(np.float32)
        y, past = plain.run({"new": new, "left": left, "past.x": past})
        mine, length = in_place.run({"new": new, "left": left, "past.x": buffer, "past.length": length})
        np.testing.assert_allclose(mine, y, rtol=1e-5, atol=1e-5 * np.abs(y).max())
        assert length == [total]
        np.testing.assert_array_equal(buffer[:, :, :total], past)
        assert np.isnan(buffer[:, :, total:]).all()
    return buffer, length


@pytest.mark.parametrize("are_values", [False, True], ids=["keys", "values"])
def test_buffers_grow_in_place(are_values, rng):
    model = make_cache(are_values)
    plain, in_place = quantc.compile(model), quantc.compile(model, kv_cache_in_place=True)
    assert [i.name for i in in_place.inputs] == ["new", "left", "past.x", "past.length"]
    assert in_place.inputs[2].shape == (1, HEADS, "past.capacity", SIZE)
    assert [o.name for o in in_place.outputs] == ["y", "past.length"]
    buffer, length = run_both(plain, in_place, [5, 1, 0, 20, 1, 1], rng, are_values)
    # 28 of 40: one too many, and lengths that there cannot be.
    left = np.zeros((1, HEADS, 1, 41 if are_values else SIZE), np.float32)
    for given, count, message in ((28, 13, "full"), (-1, 1, "negative"), (2**63 - 1, 1, "full"), (41, 0, "full")):
        before = buffer.copy()
        new = np.ones((1, HEADS, count, SIZE), np.float32)
        with pytest.raises(quantc.RunError, match=f"the cache is {message}|length of the cache is {message}"):
            in_place.run({"new": new, "left": left, "past.x": buffer, "past.length": np.array([given])})
        np.testing.assert_array_equal(buffer, before)


def test_a_state_must_be_contiguous():
    in_place = quantc.compile(make_cache(False), kv_cache_in_place=True)
    buffer = np.zeros((1, HEADS, 8, 2 * SIZE), np.float32)[..., ::2]
    new = np.ones((1, HEADS, 1, SIZE), np.float32)
    with pytest.raises(quantc.RunError, match="input 'past.x' is updated in place: it must be contiguous"):
        in_place.run({"new": new, "left": new, "past.x": buffer, "past.length": np.zeros(1, np.int64)})


def test_models_without_a_cache_are_refused():
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [value("x", TensorProto.FLOAT, [4])],
        [value("y", TensorProto.FLOAT, [4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    with pytest.raises(quantc.CompileError, match="has no cache that could grow in place"):
        quantc.compile(model, kv_cache_in_place=True)


PROGRAM = r"""
#include "model.h"
#include <math.h>
#include <stdio.h>

static float buffer[HEADS][CAPACITY][SIZE], new[HEADS][1][SIZE], left[HEADS][1][SIZE];
static int64_t length[1];

#define TENSOR(name, number, kind, bits, ...)                                        \
  int64_t name##_shape[] = {__VA_ARGS__};                                            \
  DLTensor name##_tensor = {.data = name, .device = {kDLCPU, 0}, .ndim = number,     \
                            .dtype = {kind, bits, 1}, .shape = name##_shape}

int main(void) {
  const QuantcModelInfo *info = quantc_model_info();
  if (!(info->flags & QUANTC_HAS_STATES) || info->num_inputs != 4)
    return 1;
  for (int i = 0; i < 4; ++i)
    if (info->input_is_state[i] != (i == 2))
      return 2;
  TENSOR(new, 4, kDLFloat, 32, 1, HEADS, 1, SIZE);
  TENSOR(left, 4, kDLFloat, 32, 1, HEADS, 1, SIZE);
  TENSOR(buffer, 4, kDLFloat, 32, 1, HEADS, CAPACITY, SIZE);
  TENSOR(length, 1, kDLInt, 64, 1);
  const DLTensor *inputs[] = {&new_tensor, &left_tensor, &buffer_tensor, &length_tensor};
  for (int step = 0; step <= CAPACITY; ++step) {
    for (int h = 0; h < HEADS; ++h)
      for (int i = 0; i < SIZE; ++i) {
        new[h][0][i] = (float)(step + h);
        left[h][0][i] = 1;
      }
    DLManagedTensor *outputs[2];
    int failed = quantc_model_run(inputs, 4, outputs, 2);
    if (step == CAPACITY) {
      printf("%s\n", quantc_model_last_error());
      return failed ? 0 : 3;
    }
    if (failed)
      return 4;
    const float *y = outputs[0]->dl_tensor.data;
    /* Each token's product with ones, all of the last head's tokens last. */
    for (int h = 0; h < HEADS; ++h)
      for (int t = 0; t <= step; ++t)
        if (fabsf(y[h * (step + 1) + t] - (float)(SIZE * (t + h))) > 1e-3f)
          return 5;
    length[0] = *(const int64_t *)outputs[1]->dl_tensor.data;
    if (length[0] != step + 1 || buffer[1][step][3] != (float)(step + 1))
      return 6;
    outputs[0]->deleter(outputs[0]);
    outputs[1]->deleter(outputs[1]);
  }
  return 7;
}
"""


def test_from_c(quantc_cli, tmp_path):
    (tmp_path / "model.onnx").write_bytes(make_cache(False).SerializeToString())
    quantc_cli.ok("compile", tmp_path / "model.onnx", "--kv-cache-in-place", "-o", tmp_path / "model.so")
    (tmp_path / "main.c").write_text(PROGRAM)
    sizes = [f"-DHEADS={HEADS}", f"-DSIZE={SIZE}", "-DCAPACITY=7"]
    command = ["clang-22", "-Wall", "-Werror", *sizes, "main.c", "model.so", "-lm", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True, env={"LD_LIBRARY_PATH": "."})
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert "the cache is full" in done.stdout


@pytest.mark.skipif(not (FOLDER / "decode.onnx").exists(), reason="needs the language model")
@pytest.mark.parametrize("kv_cache", [None, "int4"])
def test_language_model(kv_cache, tmp_path):
    tokens = np.load(FOLDER / "test_tokens.npy")[:100]
    logits = []
    for in_place in (False, True):
        path = tmp_path / f"{in_place}.so"
        quantc.compile(
            str(FOLDER / "decode.onnx"), output=str(path), kv_cache=kv_cache, kv_cache_in_place=in_place
        )
        # Two doublings on the way.
        decoder = generation.Decoder(str(path), capacity=25)
        logits.append(decoder.feed(tokens))
    np.testing.assert_allclose(logits[1], logits[0], rtol=1e-5, atol=1e-5 * np.abs(logits[0]).max())


def make_group_query_attention(heads=4, kv_heads=2, size=16):
    value = helper.make_tensor_value_info
    node = helper.make_node(
        "GroupQueryAttention",
        ["query", "key", "value", "past_key", "past_value", "seqlens_k", "total"],
        ["y", "present_key", "present_value"],
        domain="com.microsoft",
        num_heads=heads,
        kv_num_heads=kv_heads,
    )
    caches = [("past_key", "past"), ("past_value", "past"), ("present_key", "all"), ("present_value", "all")]
    past_key, past_value, present_key, present_value = (
        value(name, TensorProto.FLOAT, [1, kv_heads, dim, size]) for name, dim in caches
    )
    graph = helper.make_graph(
        [node],
        "attention",
        [
            value("query", TensorProto.FLOAT, [1, "n", heads * size]),
            value("key", TensorProto.FLOAT, [1, "n", kv_heads * size]),
            value("value", TensorProto.FLOAT, [1, "n", kv_heads * size]),
            past_key,
            past_value,
            value("seqlens_k", TensorProto.INT32, [1]),
            value("total", TensorProto.INT32, []),
        ],
        [value("y", TensorProto.FLOAT, [1, "n", heads * size]), present_key, present_value],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def test_group_query_attention_with_a_shared_buffer(rng):
    ort = pytest.importorskip("onnxruntime")
    model = make_group_query_attention()
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    in_place = quantc.compile(model, kv_cache_in_place=True)
    buffers = {name: np.zeros((1, 2, 20, 16), np.float32) for name in ("past_key", "past_value")}
    past = {name: np.zeros((1, 2, 0, 16), np.float32) for name in buffers}
    length = np.zeros(1, np.int64)
    for count in (4, 1, 1, 1):
        total = int(length[0]) + count
        given = {
            "query": rng.standard_normal((1, count, 64)).astype(np.float32),
            "key": rng.standard_normal((1, count, 32)).astype(np.float32),
            "value": rng.standard_normal((1, count, 32)).astype(np.float32),
            "seqlens_k": np.array([total - 1], np.int32),
            "total": np.array(total, np.int32),
        }
        y, *present = session.run(None, {**given, **past})
        past = dict(zip(past, present))
        unused = {i.name for i in in_place.inputs}
        mine, length = in_place.run(
            {name: x for name, x in {**given, **buffers, "past.length": length}.items() if name in unused}
        )
        np.testing.assert_allclose(mine, y, rtol=1e-5, atol=1e-5)
        for name, buffer in buffers.items():
            np.testing.assert_allclose(buffer[:, :, :total], past[name], rtol=1e-6, atol=1e-6)
