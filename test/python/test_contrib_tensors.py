"""com.microsoft's ops that move data, against ONNX Runtime."""

import numpy as np
import pytest
from onnx import TensorProto

import quantc
from test_contrib import build, bytes_of, compare, floats, scale

F, I32, I64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64


@pytest.mark.parametrize("axis", [0, 2, -1])
def test_expand_dims(rng, axis):
    inputs = {"x": floats(rng, 3, 4), "axis": np.array(axis, np.int32)}
    compare("ExpandDims", inputs, constants=["axis"], dynamic=True)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
def test_pad(rng, mode):
    inputs = {"x": floats(rng, 3, 4), "pads": np.array([1, 0, 2, 3])}
    if mode == "constant":
        inputs["value"] = np.array([0.5], np.float32)
    compare("Pad", inputs, dict(mode=mode), constants=["pads"])


@pytest.mark.parametrize("delta", [None, 2.5])
def test_range(rng, delta):
    inputs = {"start": np.array(1, np.float32), "limit": np.array(9.2, np.float32)}
    inputs["delta"] = None if delta is None else np.array(delta, np.float32)
    compare("Range", inputs)


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [None, -1, 2])
def test_trilu(rng, upper, k):
    inputs = {"x": floats(rng, 2, 5, 6), "k": None if k is None else np.array(k)}
    compare("Trilu", inputs, dict(upper=upper), dynamic=True)


def test_unique(rng):
    inputs = {"x": rng.integers(0, 6, 30).astype(np.float32)}
    compare("Unique", inputs, outputs={"y": F, "idx": I64, "counts": I64}, dynamic=True)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_cdist(rng, metric):
    inputs = {"a": floats(rng, 7, 5), "b": floats(rng, 4, 5)}
    compare("CDist", inputs, dict(metric=metric), dynamic=True)


@pytest.mark.parametrize("dim,size,step", [(-1, 3, 1), (1, 2, 2), (0, 2, 1)])
def test_unfold_tensor(rng, dim, size, step):
    compare("UnfoldTensor", {"x": floats(rng, 3, 6, 7)}, dict(dim=dim, size=size, step=step))


@pytest.mark.parametrize("attributes", [dict(transA=1, alpha=0.5), dict(transB=1)])
def test_transpose_matmul(rng, attributes):
    shapes = ((4, 3), (4, 5)) if "transA" in attributes else ((3, 4), (5, 4))
    inputs = {name: floats(rng, 2, *shape) for name, shape in zip("ab", shapes)}
    compare("TransposeMatMul", inputs, attributes)


def test_gather_nd(rng):
    inputs = {"data": floats(rng, 4, 5, 6), "indices": rng.integers(0, 4, (3, 2))}
    compare("GatherND", inputs)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_grid_sample(rng, mode):
    grid = rng.uniform(-1.2, 1.2, (2, 4, 3, 2)).astype(np.float32)
    inputs = {"x": floats(rng, 2, 3, 6, 5), "grid": grid}
    compare("GridSample", inputs, dict(mode=mode, padding_mode="border"))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize(
    "attributes",
    [dict(strides=[2, 2], pads=[1, 0, 1, 1]), dict(dilations=[2, 1], ceil_mode=1), dict(auto_pad="SAME_UPPER")],
)
def test_nhwc_max_pool(rng, dtype, attributes):
    kind = TensorProto.UINT8 if dtype == np.uint8 else TensorProto.INT8
    inputs = {"x": bytes_of(rng, 2, 9, 8, 5, dtype=dtype)}
    compare("NhwcMaxPool", inputs, dict(kernel_shape=[3, 2], **attributes), {"y": kind})


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("zeros", [False, True])
def test_gather_block_quantized(rng, bits, zeros):
    rows, size, block = 50, 96, 32
    inputs = {
        "data": bytes_of(rng, rows, size * bits // 8),
        "indices": rng.integers(0, rows, (2, 5)),
        "scales": rng.uniform(0.01, 0.1, (rows, size // block)).astype(np.float32),
        "zeros": bytes_of(rng, rows, -(-size // block * bits // 8)) if zeros else None,
    }
    attributes = dict(bits=bits, block_size=block, gather_axis=0, quantize_axis=1)
    names = ["data", "scales"] + ["zeros"] * zeros
    compare("GatherBlockQuantized", inputs, attributes, constants=names)


def test_quantized_embeddings(rng):
    inputs = {
        "ids": rng.integers(0, 30, (2, 6)).astype(np.int32),
        "segment_ids": rng.integers(0, 2, (2, 6)).astype(np.int32),
        "words": bytes_of(rng, 30, 16),
        "places": bytes_of(rng, 10, 16),
        "segments": bytes_of(rng, 2, 16),
        "gamma": bytes_of(rng, 16),
        "beta": bytes_of(rng, 16),
        "mask": np.array([[1, 1, 1, 1, 0, 0], [1] * 6], np.int32),
    }
    tables = ["words", "places", "segments", "gamma", "beta"]
    inputs.update({f"{name}_scale": scale(0.01 * (i + 1)) for i, name in enumerate(tables)})
    inputs.update({f"{name}_zero": np.array(120 + i, np.uint8) for i, name in enumerate(tables)})
    constants = [name for name in inputs if name not in ("ids", "segment_ids", "mask")]
    outputs = {"y": F, "mask_index": I32}
    compare("QEmbedLayerNormalization", inputs, dict(epsilon=1e-6), outputs, constants)


def test_what_is_out_of_range(rng):
    for op, inputs, attributes in (
        ("UnfoldTensor", {"x": floats(rng, 3, 4)}, dict(dim=2, size=2)),
        ("UnfoldTensor", {"x": floats(rng, 3, 4)}, dict(dim=1, size=5)),
        ("UnfoldTensor", {"x": floats(rng, 3, 4)}, dict(dim=1, size=2**40)),
        ("UnfoldTensor", {"x": floats(rng, 3, 4)}, dict(dim=1, size=2, step=2**40)),
        ("CDist", {"a": floats(rng, 3, 4), "b": floats(rng, 3, 4)}, dict(metric="cosine")),
        ("CDist", {"a": floats(rng, 3, 4), "b": floats(rng, 3, 1)}, {}),
        ("CDist", {"a": floats(rng, 1, 3, 4), "b": floats(rng, 1, 3, 4)}, {}),
    ):
        with pytest.raises(quantc.CompileError, match="'the_node'"):
            quantc.compile(build(op, inputs, attributes, {"y": F}))


def test_distances_of_other_columns(rng):
    """One column is not compared with each of the others."""
    compiled = quantc.compile(build("CDist", {"a": floats(rng, 3, 4), "b": floats(rng, 2, 4)}, {}, {"y": F}, dynamic=True))
    for a, b in ((4, 1), (1, 4), (4, 3)):
        with pytest.raises(quantc.RunError, match="'the_node'.*equally many columns"):
            compiled.run({"a": floats(rng, 3, a), "b": floats(rng, 2, b)})


@pytest.mark.parametrize("scales, zeros", [((3, 2), None), ((1, 2), None), ((4, 2), (1, 2)), ((4, 2, 1), None), ((4, 3), None)])
def test_scales_of_another_shape(rng, scales, zeros):
    """Of each row of the table, even where no index asks for the rows that lack them."""
    inputs = {
        "data": bytes_of(rng, 4, 32),
        "indices": np.array([0]),
        "scales": floats(rng, *scales),
        "zeros": bytes_of(rng, *zeros) if zeros else None,
    }
    attributes = dict(bits=8, block_size=16, gather_axis=0, quantize_axis=1)
    with pytest.raises(quantc.CompileError, match="'the_node'"):
        quantc.compile(build("GatherBlockQuantized", inputs, attributes, {"y": F}, ["data", "scales"] + ["zeros"] * bool(zeros)))


OUTSIDE = [("ids", -1), ("ids", 3), ("segment_ids", -1), ("segment_ids", 2)]


@pytest.mark.parametrize(
    "op, name, row",
    [("QEmbedLayerNormalization", *place) for place in OUTSIDE]
    + [("EmbedLayerNormalization", *place) for place in [*OUTSIDE, ("positions", -1), ("positions", 4)]],
)
def test_embeddings_that_are_not_there(rng, op, name, row):
    """Negative ids do not count from the back."""
    table = bytes_of if op[0] == "Q" else floats
    inputs = {name: np.zeros((2, 3), np.int32) for name in ("ids", "segment_ids")}
    inputs |= {"words": table(rng, 3, 8), "places": table(rng, 4, 8), "segments": table(rng, 2, 8)}
    inputs |= {"gamma": table(rng, 8), "beta": table(rng, 8), "mask": None}
    if op[0] == "Q":
        inputs |= {f"scale_{i}": scale(0.1) for i in range(5)} | {f"zero_{i}": np.array(0, np.uint8) for i in range(5)}
    else:
        inputs["positions"] = np.zeros((2, 3), np.int32)
    constants = [name for name, value in inputs.items() if value is not None and value.dtype != np.int32]
    compiled = quantc.compile(build(op, inputs, {}, {"y": F, "mask_index": I32}, constants))
    feeds = {name: value for name, value in inputs.items() if value is not None and name not in constants}
    compiled.run(feeds)
    feeds[name][1, 2] = row
    with pytest.raises(quantc.RunError, match="'the_node.*an id is out of its table"):
        compiled.run(feeds)


def test_windows_of_unknown_extents_that_are_too_long(rng):
    model = build("UnfoldTensor", {"x": floats(rng, 3, 4)}, dict(dim=1, size=2**30), {"y": F}, dynamic=True)
    with pytest.raises(quantc.CompileError, match="'the_node'.*size or step is out of range"):
        quantc.compile(model)
    # The longest that there are compile, and say that there is no window.
    model = build("UnfoldTensor", {"x": floats(rng, 3, 4)}, dict(dim=1, size=2**20), {"y": F}, dynamic=True)
    (y,) = quantc.compile(model).run({"x": floats(rng, 3, 4)})
    assert y.shape == (3, 0, 2**20)
