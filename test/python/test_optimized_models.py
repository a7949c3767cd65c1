"""Models that ONNX Runtime's optimizer has written: they compile, and compute
what ONNX Runtime makes of the models that it was given."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

import quantc

LEVELS = onnxruntime.GraphOptimizationLevel


def optimize(model, path, level=LEVELS.ORT_ENABLE_EXTENDED):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return path


def ops_of(path):
    return {node.op_type for node in onnx.load(path).graph.node}


def make_model(text, constants=None, ir_version=8):
    """A model in ONNX's textual form, with weights by name."""
    model = parser.parse_model(text)
    model.ir_version = ir_version
    for name, value in (constants or {}).items():
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    return model


def check(model, path, feeds, expected_op, tolerance=1e-5):
    """Compares the optimized model, which must have `expected_op`."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    optimize(model, path)
    assert expected_op in ops_of(path)
    for mine, theirs in zip(quantc.compile(str(path)).run(feeds), session.run(None, feeds)):
        error = np.linalg.norm(np.asarray(mine, np.float64) - theirs)
        assert error <= tolerance * np.linalg.norm(np.asarray(theirs, np.float64))


def floats(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


NORM = """
  mean = ReduceMean <axes = [-1]> (x)
  centered = Sub(x, mean)
  two = Constant <value_float = 2.0> ()
  squares = Pow(centered, two)
  variance = ReduceMean <axes = [-1]> (squares)
  epsilon = Constant <value_float = 0.00001> ()
  biased = Add(variance, epsilon)
  deviation = Sqrt(biased)
  normed = Div(centered, deviation)
  scaled = Mul(normed, scale)
  y = Add(scaled, bias)
"""


def test_layer_normalization_of_an_old_opset(rng, tmp_path):
    """ONNX's own is of opset 17; ONNX Runtime's is in each."""
    model = make_model(
        '<ir_version: 8, opset_import: ["" : 12]> g (float[2,6,16] x) => (float[2,6,16] y) {' + NORM + "}",
        {"scale": floats(rng, 16), "bias": floats(rng, 16)},
    )
    check(model, tmp_path / "m.onnx", {"x": floats(rng, 2, 6, 16)}, "LayerNormalization")


def test_simplified_layer_normalization(rng, tmp_path):
    """An op that ONNX does not have, in ONNX's domain."""
    model = make_model(
        """<ir_version: 8, opset_import: ["" : 17]> g (float[b,6,16] x) => (float[b,6,16] y) {
  two = Constant <value_float = 2.0> ()
  squares = Pow(x, two)
  mean = ReduceMean <axes = [-1]> (squares)
  epsilon = Constant <value_float = 0.00001> ()
  biased = Add(mean, epsilon)
  deviation = Sqrt(biased)
  one = Constant <value_float = 1.0> ()
  inverse = Div(one, deviation)
  normed = Mul(x, inverse)
  y = Mul(normed, scale)
}""",
        {"scale": floats(rng, 16)},
    )
    feeds = {"x": floats(rng, 3, 6, 16)}
    check(model, tmp_path / "m.onnx", feeds, "SimplifiedLayerNormalization")


def make_conv_net(rng, ir_version=8):
    return make_model(
        """<ir_version: 8, opset_import: ["" : 11]> g (float[1,3,16,16] x) => (float[1,8,8,8] y) {
  a = Conv <pads = [1, 1, 1, 1]> (x, w)
  b = Add(a, bias)
  c = Relu(b)
  y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (c)
}""",
        {"w": floats(rng, 8, 3, 3, 3), "bias": floats(rng, 1, 8, 1, 1)},
        ir_version,
    )


def test_constants_that_are_no_inputs(rng, tmp_path):
    """Up to IR version 3 all constants are inputs, but for those of fusions."""
    model = make_conv_net(rng, ir_version=3)
    for name, shape in (("w", [8, 3, 3, 3]), ("bias", [1, 8, 1, 1])):
        model.graph.input.append(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        )
    path = optimize(model, tmp_path / "m.onnx")
    written = onnx.load(path)
    inputs = {info.name for info in written.graph.input}
    if all(tensor.name in inputs for tensor in written.graph.initializer):
        pytest.fail("the optimizer made no constant of its own")
    x = floats(rng, 1, 3, 16, 16)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (expected,) = session.run(None, {"x": x})
    (actual,) = quantc.compile(str(path)).run({"x": x})
    assert np.linalg.norm(actual - expected) <= 1e-5 * np.linalg.norm(expected)


def test_blocked_layouts_are_refused(rng, tmp_path):
    """Level ALL lays weights out for one processor, and does not say which."""
    path = optimize(make_conv_net(rng), tmp_path / "m.onnx", LEVELS.ORT_ENABLE_ALL)
    assert any(node.domain == "com.microsoft.nchwc" for node in onnx.load(path).graph.node)
    with pytest.raises(quantc.CompileError, match="level EXTENDED"):
        quantc.compile(str(path))
