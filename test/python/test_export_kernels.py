"""Exported forms for which ONNX Runtime has kernels, where the obvious ones have none."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

import quantc

FORMS = {"default": {}, "qdq": {"qdq": True}, "integer-ops": {"integer_ops": True}, "standard": {"standard_ops": True}}
INTEGER_FORMS = ["default", "integer-ops"]


def parse(body, **constants):
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {body}')
    for name, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    return onnx.shape_inference.infer_shapes(model)


def floats(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def check(model, feed, path, recipe, form="default", tolerance=1e-6):
    """In ONNX Runtime and read again, an export gives what the library gives. Gives its nodes."""
    options = {"quantize": recipe}
    if "dynamic" not in recipe:
        options["calibration"] = [feed]
    quantc.export(model, path, **options, **FORMS[form])
    onnx.checker.check_model(str(path), full_check=True)
    session_options = ort.SessionOptions()
    session_options.log_severity_level = 3
    if form in ("qdq", "standard"):
        # Else it quantizes once more what such weights are multiplied by.
        session_options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session_options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(str(path), session_options, providers=["CPUExecutionProvider"])
    ours = quantc.compile(model, **options).run(feed)
    for a, b, c in zip(ours, session.run(None, feed), quantc.compile(path).run(feed), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(b, a, rtol=0, atol=tolerance * np.abs(a).max())
        np.testing.assert_allclose(c, a, rtol=0, atol=tolerance * np.abs(a).max())
    return list(onnx.load(path).graph.node)


@pytest.mark.parametrize("form", INTEGER_FORMS)
@pytest.mark.parametrize("group, inputs", [(1, 4), (2, 4), (4, 4), (1, 1)])
def test_convolutions_with_zero_points(group, inputs, form, tmp_path):
    """ConvInteger takes one zero point of the weights: those of channels multiply sums of the input."""
    model = parse(
        f"g (float[n,{inputs},h,w] x) => (float[n,8,p,q] y) {{"
        f" c = Conv <group = {group}, pads = [1, 2, 2, 1], strides = [2, 1]> (x, k, b) y = Tanh (c) }}",
        k=floats(8, inputs // group, 3, 3) + np.linspace(-2, 3, 8).reshape(8, 1, 1, 1),
        b=floats(8, seed=1),
    )
    # Zero is no zero point of the input either.
    nodes = check(model, {"x": floats(2, inputs, 9, 11) + 1}, tmp_path / "y.onnx", "w8a8-asym-insist", form)
    convolutions = [node for node in nodes if node.op_type == "ConvInteger"]
    assert len(convolutions) == 2 and all(len(node.input) == 3 for node in convolutions)


@pytest.mark.parametrize("form", INTEGER_FORMS)
def test_products_with_zero_points(form, tmp_path):
    """MatMulInteger takes one for each column."""
    weights = floats(24, 8) + np.linspace(-2, 3, 8)
    model = parse("g (float[n,5,24] x) => (float[n,5,8] y) { p = MatMul (x, k) y = Tanh (p) }", k=weights)
    nodes = check(model, {"x": floats(3, 5, 24) + 1}, tmp_path / "y.onnx", "w8a8-asym-insist", form)
    # The default form leaves it to ONNX Runtime to make one.
    wanted = [4] if form == "integer-ops" else []
    assert [len(node.input) for node in nodes if node.op_type == "MatMulInteger"] == wanted


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("recipe", ["w8a8-dynamic-token-insist", "w8a8-g64-insist"])
@pytest.mark.parametrize("rows", ["1", "n", "n,3"])
def test_tokens_with_a_scale_each(rows, recipe, form, tmp_path):
    """Their zero points have the shape of the scales, and bytes meet weights in groups as floats."""
    model = parse(f"g (float[{rows},128] x) => (float[{rows},24] y) {{ p = MatMul (x, k) y = Add (p, b) }}",
                  k=floats(128, 24), b=floats(24, seed=1))  # fmt: skip
    shape = [5 if dim == "n" else int(dim) for dim in rows.split(",")]
    feed = {"x": floats(*shape, 128) * np.linspace(1, 9, shape[0]).reshape(-1, *[1] * len(shape)).astype(np.float32)}
    nodes = check(model, feed, tmp_path / "y.onnx", recipe, form, tolerance=1e-5)
    types = {node.op_type for node in nodes}
    assert "QuantizeLinear" in types
    if "g64" in recipe:
        assert ("MatMulNBits" in types) == (form != "standard")
    elif form in INTEGER_FORMS:
        assert "MatMulInteger" in types and "MatMul" not in types


@pytest.mark.parametrize("form", INTEGER_FORMS)
@pytest.mark.parametrize("dims", ["1,4,6,6", "n,4,h,w"])
@pytest.mark.parametrize("move", ["Transpose <perm = [0,2,3,1]>", "DepthToSpace <blocksize = 2>", "MaxPool <kernel_shape = [2,2]>"])
def test_sums_that_are_moved(move, dims, form, tmp_path):
    """ONNX Runtime quantizes what is moved again, if it has a scalar scale: for sums, it has no kernel."""
    model = parse(f"g (float[{dims}] x) => (float[a,b,c,d] y) {{ c = Conv <pads = [1,1,1,1]> (x, k) y = {move} (c) }}",
                  k=floats(8, 4, 3, 3))  # fmt: skip
    nodes = check(model, {"x": floats(1, 4, 6, 6)}, tmp_path / "y.onnx", "w8a8-tensor-insist", form)
    assert "ConvInteger" in {node.op_type for node in nodes}


def test_sums_of_unknown_size_that_are_moved(tmp_path):
    model = parse("g (float[m,16] a, float[n,16] b) => (float[n,m] y) {"
                  " t = Transpose <perm = [1,0]> (b) p = MatMul (a, t) y = Transpose <perm = [1,0]> (p) }")  # fmt: skip
    feed = {"a": floats(5, 16), "b": floats(7, 16, seed=1)}
    nodes = check(model, feed, tmp_path / "y.onnx", "w8a8-insist", "integer-ops")
    assert "MatMulInteger" in {node.op_type for node in nodes}


def test_what_has_no_kernel_is_no_file(tmp_path):
    """A zero point for each row."""
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (uint8[3,4] a, uint8[4,5] b) => (int32[3,5] y)'
        " <uint8[3] zeros = {1, 2, 3}> { [rows] y = MatMulInteger (a, b, zeros) }"
    )
    with pytest.raises(quantc.CompileError, match=r"rows.*one zero point for all rows"):
        quantc.export(model, tmp_path / "y.onnx")
    assert not (tmp_path / "y.onnx").exists()
