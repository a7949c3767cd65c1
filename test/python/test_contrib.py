"""com.microsoft's ops against ONNX Runtime, which defines them.

Integer results are equal bit for bit, others to a relative error.
"""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc

F, U8, I8, I32 = (
    TensorProto.FLOAT,
    TensorProto.UINT8,
    TensorProto.INT8,
    TensorProto.INT32,
)


def build(op, inputs, attributes, outputs, constants=(), dynamic=False):
    """A model of one node. `inputs` maps names to arrays (None: left out);
    those in `constants` are initializers."""
    given = [
        helper.make_tensor_value_info(
            name,
            helper.np_dtype_to_tensor_dtype(value.dtype),
            [f"{name}_{i}" if dynamic else d for i, d in enumerate(value.shape)],
        )
        for name, value in inputs.items()
        if value is not None and name not in constants
    ]
    names = [name if value is not None else "" for name, value in inputs.items()]
    results = [name if kind is not None else "" for name, kind in outputs.items()]
    node = helper.make_node(
        op, names, results, name="the_node", domain="com.microsoft", **attributes
    )
    graph = helper.make_graph(
        [node],
        "contrib",
        given,
        [
            helper.make_tensor_value_info(name, kind, None)
            for name, kind in outputs.items()
            if kind is not None
        ],
        [numpy_helper.from_array(inputs[name], name) for name in constants],
    )
    return helper.make_model(
        graph,
        opset_imports=[
            helper.make_opsetid("", 21),
            helper.make_opsetid("com.microsoft", 1),
        ],
        ir_version=10,
    )


def compare(op, inputs, attributes=None, outputs=None, constants=(), dynamic=False, rtol=1e-4):
    model = build(op, inputs, attributes or {}, outputs or {"y": F}, constants, dynamic)
    feeds = {
        name: value
        for name, value in inputs.items()
        if value is not None and name not in constants
    }
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = session.run(None, feeds)
    actual = quantc.compile(model).run(feeds)
    assert len(actual) == len(expected)
    for mine, theirs in zip(actual, expected):
        mine = np.asarray(mine)
        assert mine.dtype == theirs.dtype
        assert mine.shape == theirs.shape
        if theirs.dtype.kind in "iub":
            np.testing.assert_array_equal(mine, theirs)
        else:
            error = np.linalg.norm(mine.astype(np.float64) - theirs)
            assert error <= rtol * np.linalg.norm(theirs.astype(np.float64)) + 1e-6


def floats(rng, *shape, dtype=np.float32):
    return rng.standard_normal(shape).astype(dtype)


def bytes_of(rng, *shape, dtype=np.uint8):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


def weights_of(rng, *shape):
    """Signed weights of 7 bits: without VNNI, ONNX Runtime adds products of 8-bit
    unsigned and signed numbers in 16 bits, which saturates."""
    return rng.integers(-64, 64, shape).astype(np.int8)


def scale(value):
    return np.array(value, np.float32)


# --- weights of few bits --------------------------------------------------


# ONNX Runtime takes no float zero points for 8 bits.
@pytest.mark.parametrize(
    "bits,zeros",
    [(b, z) for b in (2, 4, 8) for z in ("none", "packed", "float") if (b, z) != (8, "float")],
)
def test_matmul_nbits(rng, bits, zeros):
    k, n, block = 80, 24, 32
    blocks = -(-k // block)
    points = {
        "none": None,
        "packed": bytes_of(rng, n, -(-blocks * bits // 8)),
        "float": rng.uniform(0, 2**bits - 1, (n, blocks)).astype(np.float32),
    }[zeros]
    inputs = {
        "a": floats(rng, 2, 3, k),
        "b": bytes_of(rng, n, blocks, block * bits // 8),
        "scales": rng.uniform(0.01, 0.1, (n, blocks)).astype(np.float32),
        "zeros": points,
    }
    constants = ["b", "scales"] + (["zeros"] if points is not None else [])
    compare("MatMulNBits", inputs, dict(K=k, N=n, bits=bits, block_size=block), constants=constants)


def test_matmul_nbits_bias_and_order_of_groups(rng):
    k, n, block = 64, 16, 32
    inputs = {
        "a": floats(rng, 5, k),
        "b": bytes_of(rng, n, 2, 16),
        "scales": rng.uniform(0.01, 0.1, (n, 2)).astype(np.float32),
        "zeros": None,
        "g_idx": None,
        "bias": floats(rng, n),
    }
    attributes = dict(K=k, N=n, bits=4, block_size=block)
    compare("MatMulNBits", inputs, attributes, constants=["b", "scales", "bias"])
    inputs["g_idx"] = rng.permutation(np.arange(k) // block).astype(np.int32)
    model = build("MatMulNBits", inputs, attributes, {"y": F}, ["b", "scales", "g_idx"])
    with pytest.raises(quantc.CompileError, match="'the_node'.*g_idx"):
        quantc.compile(model)


@pytest.mark.parametrize("kind", [0, 1])
def test_matmul_bnb4(rng, kind):
    k, n, block = 64, 24, 32
    inputs = {
        "a": floats(rng, 3, k),
        "b": bytes_of(rng, n * k // 2),
        "absmax": rng.uniform(0.1, 1, n * k // block).astype(np.float32),
    }
    compare(
        "MatMulBnb4",
        inputs,
        dict(K=k, N=n, block_size=block, quant_type=kind),
        constants=["b", "absmax"],
    )


# --- quantized ops --------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
def test_qlinear_binary(rng, op, dtype):
    zero = lambda v: np.array(v, dtype)
    inputs = {
        "a": bytes_of(rng, 3, 40, dtype=dtype),
        "a_scale": scale(0.031),
        "a_zero": zero(12),
        "b": bytes_of(rng, 40, dtype=dtype),
        "b_scale": scale(0.017),
        "b_zero": zero(7),
        "c_scale": scale(0.11),
        "c_zero": zero(3),
    }
    kind = U8 if dtype == np.uint8 else I8
    compare(op, inputs, outputs={"y": kind}, constants=[n for n in inputs if "_" in n])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("op", ["QLinearSigmoid", "QLinearLeakyRelu"])
def test_qlinear_unary(rng, op, dtype):
    inputs = {
        "x": np.arange(256).astype(np.uint8).view(dtype).reshape(4, 64),
        "x_scale": scale(0.043),
        "x_zero": np.array(11, dtype),
        "y_scale": scale(1 / 256 if op == "QLinearSigmoid" else 0.05),
        "y_zero": np.array(0 if dtype == np.uint8 else -100, dtype),
    }
    attributes = {} if op == "QLinearSigmoid" else {"alpha": 0.13}
    kind = U8 if dtype == np.uint8 else I8
    compare(op, inputs, attributes, {"y": kind}, [n for n in inputs if "_" in n])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_qlinear_average_pool(rng, dtype):
    inputs = {
        "x": bytes_of(rng, 2, 3, 9, 8, dtype=dtype),
        "x_scale": scale(0.03),
        "x_zero": np.array(5, dtype),
        "y_scale": scale(0.025),
        "y_zero": np.array(9, dtype),
    }
    constants = [n for n in inputs if "_" in n]
    kind = U8 if dtype == np.uint8 else I8
    for more in ({}, {"count_include_pad": 1}):
        compare(
            "QLinearAveragePool",
            inputs,
            dict(kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1], **more),
            {"y": kind},
            constants,
        )
    compare("QLinearGlobalAveragePool", inputs, {}, {"y": kind}, constants)


def test_qlinear_concat(rng):
    inputs = {
        "y_scale": scale(0.05),
        "y_zero": np.array(100, np.uint8),
        "a": bytes_of(rng, 2, 5),
        "a_scale": scale(0.03),
        "a_zero": np.array(3, np.uint8),
        "b": bytes_of(rng, 2, 7),
        "b_scale": scale(0.05),
        "b_zero": np.array(100, np.uint8),
    }
    compare(
        "QLinearConcat", inputs, dict(axis=-1), {"y": U8}, [n for n in inputs if "_" in n]
    )


@pytest.mark.parametrize("axis,opset", [(-1, 13), (1, 13), (1, 11)])
def test_qlinear_softmax(rng, axis, opset):
    inputs = {
        "x": bytes_of(rng, 3, 6, 10),
        "x_scale": scale(0.08),
        "x_zero": np.array(120, np.uint8),
        "y_scale": scale(1 / 256),
        "y_zero": np.array(0, np.uint8),
    }
    compare(
        "QLinearSoftmax",
        inputs,
        dict(axis=axis, opset=opset),
        {"y": U8},
        [n for n in inputs if "_" in n],
    )


def test_qlinear_softmax_of_long_rows(rng):
    """Sums of 400 powers, in the order and of the numbers that ONNX Runtime has."""
    inputs = {
        "x": np.clip(rng.normal(100, 25, (4000, 400)), 0, 255).astype(np.uint8),
        "x_scale": scale(0.0071),
        "x_zero": np.array(3, np.uint8),
        "y_scale": scale(0.0001),
        "y_zero": np.array(0, np.uint8),
    }
    compare("QLinearSoftmax", inputs, dict(axis=-1, opset=13), {"y": U8}, [n for n in inputs if "_" in n])


@pytest.mark.parametrize("per_column", [False, True])
def test_qgemm(rng, per_column):
    n, k = 12, 20
    inputs = {
        "a": bytes_of(rng, 5, k),
        "a_scale": scale(0.02),
        "a_zero": np.array(100, np.uint8),
        "b": weights_of(rng, n, k),
        "b_scale": rng.uniform(0.01, 0.03, n).astype(np.float32) if per_column else scale(0.02),
        "b_zero": np.zeros(n, np.int8) if per_column else np.array(3, np.int8),
        "c_": rng.integers(-2000, 2000, n).astype(np.int32),
        "y_scale": scale(0.3),
        "y_zero": np.array(128, np.uint8),
    }
    constants = [name for name in inputs if name != "a"]
    compare("QGemm", inputs, dict(transB=1, alpha=1.0), {"y": U8}, constants)
    inputs["y_scale"] = inputs["y_zero"] = None
    constants = constants[:-2]
    compare("QGemm", inputs, dict(transB=1, alpha=0.5), {"y": F}, constants)


@pytest.mark.parametrize("bias", [False, True])
def test_matmul_integer_to_float(rng, bias):
    inputs = {
        "a": bytes_of(rng, 2, 5, 32),
        "b": weights_of(rng, 32, 12),
        "a_scale": scale(0.02),
        "b_scale": rng.uniform(0.01, 0.03, 12).astype(np.float32),
        "a_zero": np.array(117, np.uint8),
        "b_zero": rng.integers(-5, 5, 12).astype(np.int8),
        "bias": floats(rng, 12) if bias else None,
    }
    compare("MatMulIntegerToFloat", inputs, dynamic=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_dynamic_quantize_matmul(rng, dtype):
    inputs = {
        "a": floats(rng, 2, 5, 32),
        "b": bytes_of(rng, 32, 12) if dtype == np.uint8 else weights_of(rng, 32, 12),
        "b_scale": rng.uniform(0.01, 0.03, 12).astype(np.float32),
        "b_zero": np.zeros(12, dtype),
        "bias": floats(rng, 12),
    }
    compare("DynamicQuantizeMatMul", inputs, constants=["b", "b_scale", "b_zero", "bias"])


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_dynamic_quantize_lstm(rng, direction):
    steps, size, hidden = 5, 12, 8
    d = 2 if direction == "bidirectional" else 1
    inputs = {
        "x": floats(rng, steps, 1, size),
        "w": weights_of(rng, d, size, 4 * hidden),
        "r": weights_of(rng, d, hidden, 4 * hidden),
        "b": floats(rng, d, 8 * hidden),
        "lengths": None,
        "h": None,
        "c": None,
        "p": None,
        "w_scale": np.full(d, 0.004, np.float32),
        "w_zero": np.zeros(d, np.int8),
        "r_scale": np.full(d, 0.005, np.float32),
        "r_zero": np.zeros(d, np.int8),
    }
    compare(
        "DynamicQuantizeLSTM",
        inputs,
        dict(hidden_size=hidden, direction=direction),
        {"y": F, "last_h": F, "last_c": F},
        ["w", "r", "b", "w_scale", "w_zero", "r_scale", "r_zero"],
    )


# --- fused float ops ------------------------------------------------------


@pytest.mark.parametrize(
    "attributes,a,b",
    [
        (dict(alpha=0.5), (2, 3, 4), (4, 5)),
        (dict(transA=1), (2, 4, 3), (2, 4, 5)),
        (dict(transB=1), (3, 4), (5, 4)),
        (dict(transBatchA=1), (3, 2, 4), (2, 4, 5)),
        (dict(transA=1, transB=1, alpha=2.0), (4, 3), (5, 4)),
    ],
)
def test_fused_matmul(rng, attributes, a, b):
    compare("FusedMatMul", {"a": floats(rng, *a), "b": floats(rng, *b)}, attributes)


@pytest.mark.parametrize(
    "activation,params",
    [("Relu", []), ("LeakyRelu", [0.2]), ("Clip", [-0.5, 0.7]), ("HardSigmoid", [0.3, 0.4]), ("Tanh", [])],
)
def test_fused_conv(rng, activation, params):
    inputs = {"x": floats(rng, 1, 3, 8, 8), "w": floats(rng, 4, 3, 3, 3), "b": floats(rng, 4)}
    attributes = dict(activation=activation, pads=[1, 1, 1, 1])
    if params:
        attributes["activation_params"] = params
    compare("FusedConv", inputs, attributes, constants=["w", "b"])


@pytest.mark.parametrize("op,bias", [("BiasGelu", True), ("FastGelu", True), ("FastGelu", False), ("QuickGelu", None), ("Gelu", None)])
def test_gelus(rng, op, bias):
    inputs = {"x": floats(rng, 3, 40)}
    if bias is not None:
        inputs["bias"] = floats(rng, 40) if bias else None
    compare(op, inputs, dict(alpha=1.3) if op == "QuickGelu" else {})


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("op", ["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"])
def test_skip_normalization(rng, op, bias):
    inputs = {"x": floats(rng, 2, 5, 16), "skip": floats(rng, 2, 5, 16), "gamma": floats(rng, 16)}
    if op == "SkipLayerNormalization":
        inputs["beta"] = floats(rng, 16)
    inputs["bias"] = floats(rng, 16) if bias else None
    outputs = {"y": F, "mean": None, "deviation": None, "sum": F}
    compare(op, inputs, dict(epsilon=1e-5), outputs, dynamic=True)


@pytest.mark.parametrize("segments", [False, True])
def test_embed_layer_normalization(rng, segments):
    inputs = {
        "ids": rng.integers(0, 30, (2, 6)).astype(np.int32),
        "segment_ids": rng.integers(0, 2, (2, 6)).astype(np.int32) if segments else None,
        "words": floats(rng, 30, 16),
        "places": floats(rng, 10, 16),
        "segments": floats(rng, 2, 16) if segments else None,
        "gamma": floats(rng, 16),
        "beta": floats(rng, 16),
        "mask": np.array([[1, 1, 1, 1, 0, 0], [1] * 6], np.int32),
    }
    outputs = {"y": F, "mask_index": I32}
    compare("EmbedLayerNormalization", inputs, dict(epsilon=1e-6), outputs)


# --- attention ------------------------------------------------------------


@pytest.mark.parametrize("mask", ["none", "keys", "lengths", "full"])
@pytest.mark.parametrize("causal", [0, 1])
def test_attention(rng, mask, causal):
    batch, length, hidden = 2, 5, 16
    masks = {
        "none": None,
        "keys": np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32),
        "lengths": np.array([3, 5], np.int32),
        "full": np.tril(np.ones((batch, length, length), np.int32)),
    }
    inputs = {
        "x": floats(rng, batch, length, hidden),
        "w": floats(rng, hidden, 3 * hidden),
        "b": floats(rng, 3 * hidden),
        "mask": masks[mask],
    }
    compare("Attention", inputs, dict(num_heads=4, unidirectional=causal))


@pytest.mark.parametrize("op", ["Attention", "MultiHeadAttention"])
def test_masks_of_the_least_float(rng, op):
    """What exporters of PyTorch mask with, and onnxruntime.transformers keeps."""
    least = float(np.finfo(np.float32).min)
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)
    x = {name: floats(rng, 2, 5, 16) for name in ("query", "key", "value")}
    inputs = {**x, "bias": None, "padding": mask}
    if op == "Attention":
        inputs = {"x": x["query"], "w": floats(rng, 16, 48), "b": floats(rng, 48), "mask": mask}
    compare(op, inputs, dict(num_heads=4, mask_filter_value=least))


def test_attention_with_past(rng):
    batch, length, hidden, past = 2, 3, 16, 4
    inputs = {
        "x": floats(rng, batch, length, hidden),
        "w": floats(rng, hidden, 3 * hidden),
        "b": floats(rng, 3 * hidden),
        "mask": None,
        "past": floats(rng, 2, batch, 4, past, 4),
    }
    compare("Attention", inputs, dict(num_heads=4, unidirectional=1), {"y": F, "present": F})


def test_qattention(rng):
    inputs = {
        "x": bytes_of(rng, 2, 5, 16),
        "w": weights_of(rng, 16, 48),
        "b": floats(rng, 48),
        "x_scale": scale(0.02),
        "w_scale": scale(0.01),
        "mask": None,
        "x_zero": np.array(120, np.uint8),
        "w_zero": np.array(0, np.int8),
    }
    compare("QAttention", inputs, dict(num_heads=4), constants=["w", "b", "w_scale", "w_zero"])


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("form", ["3d", "4d", "offset"])
def test_rotary_embedding(rng, form, interleaved):
    batch, heads, length, head = 2, 3, 5, 8
    angles = rng.uniform(0, 6, (20, head // 2)).astype(np.float32)
    x = floats(rng, batch, heads, length, head)
    if form != "4d":
        x = floats(rng, batch, length, heads * head)
    positions = rng.integers(0, 20, (batch, length)) if form != "offset" else np.array([3])
    inputs = {"x": x, "position_ids": positions, "cos": np.cos(angles), "sin": np.sin(angles)}
    compare("RotaryEmbedding", inputs, dict(interleaved=interleaved), constants=["cos", "sin"])


@pytest.mark.parametrize("form", ["separate", "cross"])
@pytest.mark.parametrize("mask", [False, True])
def test_multi_head_attention(rng, form, mask):
    batch, length, keys, heads, head = 2, 4, 6, 3, 8
    hidden = heads * head
    inputs = {"query": floats(rng, batch, length, hidden)}
    shape = (batch, keys, hidden) if form == "separate" else (batch, heads, keys, head)
    inputs["key"], inputs["value"] = (floats(rng, *shape) for _ in "kv")
    inputs["bias"] = floats(rng, 3 * hidden) if form == "separate" else None
    if mask:
        inputs["padding"] = (np.arange(keys) < np.array([[keys - 2], [keys]])).astype(np.int32)
    compare("MultiHeadAttention", inputs, dict(num_heads=heads))


@pytest.mark.parametrize("form", ["packed", "packed_kv"])
def test_multi_head_attention_packed(rng, form):
    """ONNX Runtime's CPU takes separate inputs only: those give the reference."""
    batch, length, heads, head = 2, 4, 3, 8
    q, k, v = (floats(rng, batch, length, heads, head) for _ in "qkv")
    flat = {n: x.reshape(batch, length, -1) for n, x in (("query", q), ("key", k), ("value", v))}
    session = onnxruntime.InferenceSession(
        build("MultiHeadAttention", flat, dict(num_heads=heads), {"y": F}).SerializeToString()
    )
    (expected,) = session.run(None, flat)
    if form == "packed":
        inputs = {"query": np.stack([q, k, v], 3)}
    else:
        inputs = {"query": flat["query"], "key": np.stack([k, v], 3)}
    model = build("MultiHeadAttention", inputs, dict(num_heads=heads), {"y": F})
    (actual,) = quantc.compile(model).run(inputs)
    assert np.linalg.norm(actual - expected) <= 1e-4 * np.linalg.norm(expected)


def test_multi_head_attention_with_past(rng):
    batch, length, past, heads, head = 2, 1, 5, 3, 8
    inputs = {
        "query": floats(rng, batch, length, heads * head),
        "key": floats(rng, batch, length, heads * head),
        "value": floats(rng, batch, length, heads * head),
        "bias": None,
        "padding": None,
        "attention_bias": floats(rng, 1, heads, length, past + length),
        "past_key": floats(rng, batch, heads, past, head),
        "past_value": floats(rng, batch, heads, past, head),
    }
    outputs = {"y": F, "present_key": F, "present_value": F}
    compare("MultiHeadAttention", inputs, dict(num_heads=heads), outputs)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("past,length,window", [(0, 5, -1), (5, 1, -1), (0, 6, 3), (6, 1, 3)])
def test_group_query_attention(rng, packed, rotary, past, length, window):
    batch, heads, kv_heads, head = 1, 4, 2, 16
    total = past + length
    angles = rng.uniform(0, 6, (20, head // 2)).astype(np.float32)
    if packed:
        query = floats(rng, batch, length, (heads + 2 * kv_heads) * head)
        key = value = None
    else:
        query = floats(rng, batch, length, heads * head)
        key, value = (floats(rng, batch, length, kv_heads * head) for _ in "kv")
    inputs = {
        "query": query,
        "key": key,
        "value": value,
        "past_key": floats(rng, batch, kv_heads, past, head),
        "past_value": floats(rng, batch, kv_heads, past, head),
        "seqlens_k": np.full(batch, total - 1, np.int32),
        "total": np.array(total, np.int32),
        "cos": np.cos(angles) if rotary else None,
        "sin": np.sin(angles) if rotary else None,
    }
    attributes = dict(num_heads=heads, kv_num_heads=kv_heads, do_rotary=int(rotary))
    if window > 0:
        attributes["local_window_size"] = window
    outputs = {"y": F, "present_key": F, "present_value": F}
    compare("GroupQueryAttention", inputs, attributes, outputs)


def test_group_query_attention_checks_lengths(rng):
    inputs = {
        "query": floats(rng, 2, 3, 32),
        "key": floats(rng, 2, 3, 16),
        "value": floats(rng, 2, 3, 16),
        "past_key": floats(rng, 2, 2, 4, 8),
        "past_value": floats(rng, 2, 2, 4, 8),
        "seqlens_k": np.array([6, 4], np.int32),
        "total": np.array(7, np.int32),
    }
    model = build("GroupQueryAttention", inputs, dict(num_heads=4, kv_num_heads=2), {"y": F})
    with pytest.raises(quantc.RunError, match="'the_node'.*seqlens_k"):
        quantc.compile(model).run(inputs)


def test_qlinear_softmax_of_ties(rng):
    """Rows whose k largest elements get 256 / k steps: a half for 512."""
    x = np.zeros((520, 520), np.uint8)
    for k, row in enumerate(x):
        row[rng.permutation(520)[: k + 1]] = 255
    inputs = {
        "x": x,
        "x_scale": scale(1.0),
        "x_zero": np.array(0, np.uint8),
        "y_scale": scale(1 / 256),
        "y_zero": np.array(0, np.uint8),
    }
    compare("QLinearSoftmax", inputs, dict(axis=-1, opset=13), {"y": U8}, [n for n in inputs if "_" in n])
