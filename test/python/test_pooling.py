"""Pools whose number of windows is rounded up count and compute what ONNX Runtime does,
also where the model declares what ONNX's inference counted up to opset 21."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import quantc

# Since which opset a pool has dilations, and since which it is rounded up at all.
DILATED = {"MaxPool": 10, "AveragePool": 19, "LpPool": 18}
ROUNDED = {"MaxPool": 10, "AveragePool": 10, "LpPool": 18}


@st.composite
def forms(draw):
    rank = draw(st.integers(1, 2))

    def sizes(low, high):
        return draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank))

    op = draw(st.sampled_from(sorted(ROUNDED)))
    opset = draw(st.sampled_from([o for o in (13, 18, 19, 22) if o >= ROUNDED[op]]))
    kernel = sizes(1, 4)
    attributes = {
        "kernel_shape": kernel,
        "strides": sizes(1, 5),
        "pads": [draw(st.integers(0, size - 1)) for size in kernel * 2],
        "ceil_mode": 1,
    }
    if opset >= DILATED[op]:
        attributes["dilations"] = sizes(1, 3)
    if op == "AveragePool":
        attributes["count_include_pad"] = draw(st.integers(0, 1))
    return op, opset, attributes, sizes(1, 9)


def make_model(op, opset, attributes, shape):
    nodes = [
        helper.make_node(op, ["x"], ["p"], name="pool", **attributes),
        helper.make_node("Relu", ["p"], ["y"], name="relu"),
    ]
    graph = helper.make_graph(
        nodes,
        "pooling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def run_reference(model, x):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # It warns of shapes that differ from the inferred ones.
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(forms(), st.sampled_from(["none", "inferred", "dynamic"]))
def test_rounded_up(form, declared):
    op, opset, attributes, image = form
    x = np.random.default_rng(len(image)).normal(size=[1, 2, *image]).astype(np.float32)
    shape = ["n", "c", *"hw"[: len(image)]] if declared == "dynamic" else x.shape
    model = make_model(op, opset, attributes, shape)
    if declared == "inferred":
        model = onnx.shape_inference.infer_shapes(model)
    # A kernel that does not fit by more than a stride has no window there; here it is an error.
    extents = [(k - 1) * d + 1 for k, d in zip(attributes["kernel_shape"], attributes.get("dilations", [1, 1]))]
    begin, end = np.split(np.array(attributes["pads"]), 2)
    assume(all(np.array(image) + begin + end - extents > -np.array(attributes["strides"])))
    expected = run_reference(model, x)
    (actual,) = quantc.compile(model).run(x)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("declared", [[1, 1, 2], [1, 1, 3]])
def test_declared_output(declared):
    """PyTorch declares what is there, ONNX's inference one window more."""
    attributes = {"kernel_shape": [3], "strides": [4], "pads": [1, 2], "ceil_mode": 1}
    model = make_model("MaxPool", 13, attributes, [1, 1, 5])
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, declared))
    x = np.arange(5, dtype=np.float32).reshape(1, 1, 5)
    (actual,) = quantc.compile(model).run(x)
    np.testing.assert_array_equal(actual, run_reference(model, x))


def test_contradicting_output():
    attributes = {"kernel_shape": [3], "strides": [4], "pads": [1, 2], "ceil_mode": 1}
    model = make_model("MaxPool", 13, attributes, [1, 1, 5])
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 4]))
    x = np.arange(5, dtype=np.float32).reshape(1, 1, 5)
    (actual,) = quantc.compile(model).run(x)
    np.testing.assert_array_equal(actual, run_reference(model, x))


def test_average_of_nothing():
    """Both elements of each window lie in the padding."""
    attributes = {"kernel_shape": [2], "strides": [2], "pads": [1, 1], "dilations": [3]}
    model = make_model("AveragePool", 22, attributes, [1, 1, 2])
    x = np.ones((1, 1, 2), np.float32)
    (actual,) = quantc.compile(model).run(x)
    np.testing.assert_array_equal(actual, run_reference(model, x))


WINDOWS = [
    ((1, 3, 9, 11), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    # More results in a line than are found at a time, and one more.
    ((1, 2, 6, 514), {"kernel_shape": [3, 5], "pads": [1, 2, 1, 2]}),
    ((2, 1, 5, 1030), {"kernel_shape": [3, 3], "strides": [1, 2]}),
    ((1, 2, 14, 15), {"kernel_shape": [3, 4], "strides": [2, 1], "dilations": [2, 3]}),
    ((1, 2, 7, 8, 20), {"kernel_shape": [2, 3, 3], "strides": [1, 2, 1], "pads": [0, 1, 1, 1, 0, 1]}),
    ((1, 2, 20, 20), {"kernel_shape": [5, 5], "strides": [3, 3], "ceil_mode": 1}),
    # Windows of which no line or no column is in the input but those of the edge.
    ((2, 3, 9, 300), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ((1, 2, 6, 5), {"kernel_shape": [5, 5], "pads": [4, 4, 4, 4]}),
    ((1, 2, 5, 6), {"kernel_shape": [3, 3], "pads": [2, 2, 2, 2], "dilations": [3, 3]}),
    ((1, 1, 5, 520), {"kernel_shape": [3, 3], "strides": [1, 2], "pads": [2, 0, 0, 2]}),
    ((1, 3, 5, 6, 7), {"kernel_shape": [3, 3, 3], "pads": [1, 1, 1, 1, 1, 1]}),
]


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint8"])
def test_maxima_of_windows(rng, dtype, dynamic):
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    inputs, nodes, outputs, feeds = [], [], [], {}
    for i, (shape, attributes) in enumerate(WINDOWS):
        x = rng.integers(0 if dtype == "uint8" else -100, 100, shape).astype(dtype)
        if x.dtype.kind == "f":
            x[0, 0, 2, 3] = np.inf
            x[0, -1, 4] = -np.inf
        feeds[f"x{i}"] = x
        declared = [f"x{i}_{d}" for d in range(len(shape))] if dynamic else shape
        nodes.append(helper.make_node("MaxPool", [f"x{i}"], [f"y{i}"], **attributes))
        inputs.append(helper.make_tensor_value_info(f"x{i}", element, declared))
        outputs.append(helper.make_tensor_value_info(f"y{i}", element, None))
    graph = helper.make_graph(nodes, "maxima", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for mine, theirs in zip(quantc.compile(model).run(feeds), session.run(None, feeds), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("pad", [0, 1])
def test_maxima_of_windows_with_nan(rng, pad):
    """Whatever the way to a maximum, a window with a NaN has none other."""
    x = rng.standard_normal((1, 2, 12, 300)).astype(np.float32)
    x[0, 0, 4, 7] = x[0, 1, 0, 299] = np.nan
    graph = helper.make_graph(
        [helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], pads=[pad] * 4)],
        "maxima",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)], constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    np.testing.assert_array_equal(quantc.compile(model).run(x)[0], windows.max(axis=(4, 5)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_sums_of_lines(data):
    """Sums of windows of any size, along lines of several vectors; those of integers are exact in any order."""

    def sizes(low, high):
        return data.draw(st.lists(st.integers(low, high), min_size=2, max_size=2))

    kernel, strides, image = sizes(1, 6), sizes(1, 3), sizes(6, 40)
    pads = [data.draw(st.integers(0, size - 1)) for size in kernel * 2]
    attributes = {"kernel_shape": kernel, "strides": strides, "pads": pads}
    op = data.draw(st.sampled_from(["AveragePool", "LpPool"]))
    if op == "LpPool":
        attributes["p"] = 1
    shape = [2, 3, *image]
    declared = ["n", "c", "h", "w"] if data.draw(st.booleans()) else shape
    model = make_model(op, 17, attributes, declared)
    x = np.random.default_rng(0).integers(-9, 10, shape).astype(np.float32)
    np.testing.assert_array_equal(quantc.compile(model).run(x)[0], run_reference(model, x))
