"""Convolutions whose kernels reach far beyond small images, as those of atrous pyramids do, against ONNX Runtime.
All numbers are small integers, so that sums are exact in any order."""

import numpy as np
import onnxruntime as ort
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import quantc

SIZES = {"image": (1, 8), "kernel": (1, 4), "strides": (1, 3), "dilations": (1, 12), "before": (0, 14), "behind": (0, 14)}


@st.composite
def forms(draw):
    rank = draw(st.integers(1, 2))
    form = {
        name: draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank))
        for name, (low, high) in SIZES.items()
    }
    form["groups"] = draw(st.sampled_from([1, 2]))
    form["is_integer"] = draw(st.booleans())
    form["seed"] = draw(st.integers(0, 1000))
    return form


@given(forms())
@settings(deadline=None, max_examples=30)
def test_any_form(form):
    sizes = zip(form["image"], form["before"], form["behind"], form["kernel"], form["dilations"])
    assume(all(image + a + b >= (kernel - 1) * dilation + 1 for image, a, b, kernel, dilation in sizes))
    rng = np.random.default_rng(form["seed"])
    data, weights = (np.uint8, np.int8) if form["is_integer"] else (np.float32, np.float32)
    x = rng.integers(0, 9, (2, 4, *form["image"])).astype(data)
    w = rng.integers(-9, 9, (6, 4 // form["groups"], *form["kernel"])).astype(weights)
    attributes = {
        "strides": form["strides"],
        "dilations": form["dilations"],
        "pads": form["before"] + form["behind"],
        "group": form["groups"],
    }
    zero = numpy_helper.from_array(np.array(3, np.uint8), "zero")
    if form["is_integer"]:
        node = helper.make_node("ConvInteger", ["x", "w", "zero"], ["y"], **attributes)
    else:
        node = helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    element = helper.np_dtype_to_tensor_dtype(x.dtype)
    result = TensorProto.INT32 if form["is_integer"] else TensorProto.FLOAT
    graph = helper.make_graph(
        [node],
        "dilated",
        [helper.make_tensor_value_info("x", element, x.shape)],
        [helper.make_tensor_value_info("y", result, None)],
        [numpy_helper.from_array(w, "w"), *([zero] if form["is_integer"] else [])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(quantc.compile(model).run([x])[0], session.run(None, {"x": x})[0])


def test_quantized():
    """What is left of a kernel is still a weight, with a scale for each channel."""
    rng = np.random.default_rng(1)
    w = rng.normal(size=(16, 8, 3)).astype(np.float32) * np.geomspace(1, 100, 16, dtype=np.float32)[:, None, None]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1])],
        "quantized",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 8, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(w, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    x = rng.uniform(-1, 1, (4, 8, 1)).astype(np.float32)
    expected = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    y = quantc.compile(model, quantize="w8a8-insist", calibration={"x": x}).run([x])[0]
    for channel in range(16):
        error = np.square(y - expected)[:, channel].sum() / np.square(expected)[:, channel].sum()
        assert -10 * np.log10(error) > 25
