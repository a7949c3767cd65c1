"""Exported models of real networks give in ONNX Runtime what our library gives."""

import itertools

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

import quantc
from real_models import MODELS
from test_real_models import locate

pytestmark = pytest.mark.models

TOLERANCE = 1e-4


def oracle(path, exact=True):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # Without VNNI, its products of u8 and s8 saturate at 16 bits otherwise.
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)


def op_types(graph):
    """Of a graph and the bodies in it."""
    for node in graph.node:
        yield node.op_type
        for attribute in node.attribute:
            yield from op_types(attribute.g)


def domains(model):
    return {node.domain for node in model.graph.node}


CASES = [
    ("mnist-conv", None),
    ("mnist-conv", "w8a8"),
    ("mnist-conv", "w4a8"),
    ("espcn-subpixel", "w8a8"),
    ("espcn-resize", "w8a8-s8"),
    ("ppocr-cls", "w8a8"),
    ("ppocr-cls", "w8a8-dynamic"),
    ("ppocr-v4-rec", None),
    ("ppocr-v4-rec", "w8a8"),
    ("ppocr-v4-rec", "w8a8-dynamic"),
    ("ppocr-v4-det", "w8a8"),
    ("ppocr-v4-det", "w8a8-dynamic"),
    ("silero-vad", None),
    ("silero-vad-seq", None),
    ("silero-vad", "w8a8"),
    ("silero-vad-seq", "w8a8"),
    ("silero-vad-static", "w8"),
    ("silero-vad-static", "w8a8"),
    ("silero-vad-static", "w8a8-asym"),
    ("silero-vad-static", "w8a8-dynamic-token"),
    ("silero-vad-static", "w8a8-g64"),
    ("silero-vad-static", "w8a8-tensor"),
    ("espcn-subpixel", "w8a8-asym"),
    ("espcn-subpixel", "w8a8-tensor"),
    ("magika", "w8"),
    ("magika", "w8a8"),
    ("magika", "w8a8-dynamic"),
    ("minilm-l3", None),
    ("minilm-l3", "w8"),
    ("minilm-l3", "w8a8"),
    ("minilm-l3", "w4a16-g64"),
    ("minilm-l3", "w4a16-hqq-g64"),
    ("minilm-l3", "w2-asym-g32"),
    ("minilm-l3", "w8-g32"),
    ("minilm-l3", "nf4-g64"),
    ("minilm-l3", "mxfp4"),
    ("minilm-l3", "q4_k"),
    ("minilm-l3", "w8a8-dynamic"),
]


@pytest.mark.parametrize("name, recipe", CASES)
def test_exported_model(name, recipe, tmp_path):
    model = MODELS[name]
    path = locate(model)
    feeds = list(itertools.islice(model.feeds(), 3))
    options = {"quantize": recipe} if recipe else {}
    if recipe and "a8" in recipe and "dynamic" not in recipe:
        options["stats"] = quantc.calibrate(path, [feeds[0][1]], tmp_path / "model.stats")
    quantc.export(path, tmp_path / "exported.onnx", **options)
    onnx.checker.check_model(str(tmp_path / "exported.onnx"), full_check=True)
    ours = quantc.compile(path, **options)
    theirs = oracle(tmp_path / "exported.onnx")
    for size, feed in feeds:
        for a, b in zip(ours.run(feed), theirs(feed), strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype
            if a.dtype.kind in "iub":
                np.testing.assert_array_equal(a, b, err_msg=str(size))
            else:
                error = np.linalg.norm(a.astype(np.float64) - b) / max(np.linalg.norm(b), 1e-30)
                assert error <= TOLERANCE, (size, error)


INTEGER_CASES = [
    ("mnist-conv", "w8a8"),
    ("mnist-conv", "w8a8-s8"),
    ("espcn-resize", "w8a8"),
    ("ppocr-cls", "w8a8"),
    ("ppocr-v4-rec", "w8a8"),
    ("magika", "w8a8"),
    ("magika", "w8a8-dynamic"),
    ("minilm-l3", "w8a8"),
    ("minilm-l3", "w4a8-dynamic"),
]


@pytest.mark.parametrize("name, recipe", INTEGER_CASES)
def test_integer_ops(name, recipe, tmp_path):
    """The library's own integer ops leave nothing to the order of float sums, nor to the processor."""
    model = MODELS[name]
    path = locate(model)
    feeds = list(itertools.islice(model.feeds(), 2))
    options = {"quantize": recipe}
    if "dynamic" not in recipe:
        options["stats"] = quantc.calibrate(path, feeds[0][1], tmp_path / "model.stats")
    quantc.export(path, tmp_path / "exported.onnx", integer_ops=True, **options)
    onnx.checker.check_model(str(tmp_path / "exported.onnx"), full_check=True)
    types = set(op_types(onnx.load(tmp_path / "exported.onnx").graph))
    assert types & {"ConvInteger", "MatMulInteger"} and "Conv" not in types
    ours = quantc.compile(path, **options)
    # Without the setting: both operands are unsigned, so nothing saturates.
    theirs = oracle(tmp_path / "exported.onnx", exact=False)
    for size, feed in feeds:
        for a, b in zip(ours.run(feed), theirs(feed), strict=True):
            if a.dtype.kind in "iub":
                np.testing.assert_array_equal(a, b, err_msg=str(size))
            else:
                error = np.linalg.norm(a.astype(np.float64) - b) / max(np.linalg.norm(b), 1e-30)
                assert error <= 1e-5, (size, error)


def make_layers():
    """A transposed convolution, a sum, an average and clamps."""
    rng = np.random.default_rng(3)
    constants = {
        "w": rng.normal(size=(4, 3, 2, 2)), "b": rng.normal(size=3), "v": rng.normal(size=(3, 3, 3, 3)),
        "low": np.array(-0.4), "high": np.array(0.6),
    }  # fmt: skip
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w", "b"], ["t"], name="t", strides=[2, 2]),
        helper.make_node("Clip", ["t", "low", "high"], ["c"], name="c"),
        helper.make_node("Conv", ["c", "v"], ["d"], name="d", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c", "d"], ["s"], name="s"),
        helper.make_node("MaxPool", ["s"], ["m"], name="m", kernel_shape=[2, 2]),
        helper.make_node("GlobalAveragePool", ["m"], ["y"], name="y"),
    ]
    graph = helper.make_graph(
        nodes, "layers",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 4, "h", "w"])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model, rng.normal(size=(5, 4, 6, 7)).astype(np.float32)


def test_integer_ops_of_small_layers(tmp_path, quantc_cli):
    model, x = make_layers()
    options = {"quantize": "w8a8-insist", "calibration": {"x": x}}
    quantc.export(model, tmp_path / "exported.onnx", integer_ops=True, **options)
    types = set(op_types(onnx.load(tmp_path / "exported.onnx").graph))
    assert "ConvInteger" in types and not types & {"Conv", "ConvTranspose"}
    (ours,), (theirs,) = quantc.compile(model, **options).run({"x": x}), oracle(tmp_path / "exported.onnx")({"x": x})
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    onnx.save(model, tmp_path / "model.onnx")
    np.savez(tmp_path / "x.npz", x=x)
    flags = "--quantize=w8a8-insist", f"--calibration={tmp_path / 'x.npz'}", "--integer-ops"
    quantc_cli.ok("export", tmp_path / "model.onnx", *flags, "-o", tmp_path / "cli.onnx")
    assert set(op_types(onnx.load(tmp_path / "cli.onnx").graph)) == types


FORMS = [{}, {"qdq": True}, {"integer_ops": True}]


@pytest.mark.parametrize("form", FORMS, ids=["default", "qdq", "integer-ops"])
def test_products_of_activations(form, tmp_path):
    """Both operands are unsigned: then no processor's sums saturate, which large values of one sign reach."""
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[m, 64] a, float[n, 64] b) => (float[m, n] y)
        { bt = Transpose <perm = [1, 0]> (b)  y = MatMul (a, bt) }"""
    model = onnx.parser.parse_model(text)
    feed = {"a": np.linspace(3, 4, 5 * 64).reshape(5, 64), "b": np.linspace(-4, -3, 7 * 64).reshape(7, 64)}
    feed = {name: value.astype(np.float32) for name, value in feed.items()}
    options = {"quantize": "w8a8-insist", "calibration": [feed]}
    quantc.export(model, tmp_path / "exported.onnx", **options, **form)
    exported = onnx.load(tmp_path / "exported.onnx").graph
    zeros = {n.input[2] for n in exported.node if n.op_type == "QuantizeLinear"}
    types = [i.data_type for i in exported.initializer if i.name in zeros]
    assert types == [onnx.TensorProto.UINT8] * 2
    ours, again = quantc.compile(model, **options).run(feed), quantc.compile(tmp_path / "exported.onnx").run(feed)
    np.testing.assert_array_equal(ours[0], again[0])
    for exact in (False, True):
        np.testing.assert_allclose(oracle(tmp_path / "exported.onnx", exact=exact)(feed)[0], ours[0], rtol=1e-6)


@pytest.mark.parametrize("form", [FORMS[0], FORMS[2]], ids=["default", "integer-ops"])
@pytest.mark.parametrize("kind, axes, keepdims", [("Sum", [1], 0), ("Mean", [-2], 1), ("Sum", [2, 1], 1), ("Mean", [1, 2], 0)])
def test_sums_over_dimensions_between_others(kind, axes, keepdims, form, tmp_path):
    """Added up in the same order, to the last bit."""
    rng = np.random.default_rng(len(axes))
    shape = (3, 7, 37, 16) if len(axes) == 2 else (3, 37, 16)
    constants = {"w": rng.standard_normal((16, 8)).astype(np.float32), "axes": np.array(axes)}
    nodes = [
        helper.make_node(f"Reduce{kind}", ["x", "axes"], ["y"], keepdims=keepdims),
        helper.make_node("MatMul", ["x", "w"], ["z"]),
    ]
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in "yz"]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", *shape[1:]])
    graph = helper.make_graph(
        nodes, "g", [x], outputs, [numpy_helper.from_array(array, name) for name, array in constants.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    model = onnx.shape_inference.infer_shapes(model)
    quantc.export(model, tmp_path / "exported.onnx", quantize="w8", **form)
    feed = {"x": rng.standard_normal(shape).astype(np.float32)}
    ours, theirs = quantc.compile(model, quantize="w8").run(feed)[0], oracle(tmp_path / "exported.onnx")(feed)[0]
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(quantc.compile(tmp_path / "exported.onnx").run(feed)[0], ours)


# What ONNX Runtime computes with a kernel of its own, or rewrites: a function, a transposition that it moves behind the
# sum of what it transposes, sums that become part of a larger op, and a scale that it multiplies sums by.
ROUNDINGS = {
    "sigmoid": ("y = Sigmoid (x)", {"Neg", "Exp", "Reciprocal"}, {"Sigmoid"}),
    "gate": ("s = Sigmoid (x) y = Mul (x, s)", {"Exp", "Reciprocal"}, {"Sigmoid"}),
    "transposed mean": (
        "t = Transpose <perm = [0, 2, 1]> (x) m = ReduceMean <axes = [-1]> (t) c = Sub (t, m) d = Mul (c, c)"
        " y = ReduceMean <axes = [-1]> (d)",
        {"Einsum"},
        {"Transpose"},
    ),
    "normalized sum": ("r = Relu (x) s = Add (x, r) y = LayerNormalization (s, gain, shift)", {"Sum"}, {"Add"}),
    "gelu": (
        "d = Div (x, root) e = Erf (d) a = Add (e, one) m = Mul (x, a) y = Mul (m, half)",
        {"Erf", "Sum"},
        {"Add"},
    ),
    "scaled factor": ("a = Mul (x, scale) t = Transpose <perm = [0, 2, 1]> (x) y = MatMul (a, t)", {"Mul"}, set()),
    "scaled product": ("t = Transpose <perm = [0, 2, 1]> (x) a = MatMul (t, x) y = Div (a, scale)", {"Div"}, set()),
}


@pytest.mark.parametrize("form", [FORMS[0], FORMS[2]], ids=["default", "integer-ops"])
@pytest.mark.parametrize("name", ROUNDINGS)
def test_floats_that_are_rounded_alike(name, form, tmp_path):
    """To the last bit, between what is quantized."""
    body, has, has_not = ROUNDINGS[name]
    text = f"""<ir_version: 9, opset_import: ["" : 17]> g (float[n, 120, 40] x) => (float[n, p, q] y, float[n, 120, 8] z)
        <float scale = {{0.2581989}}, float root = {{1.4142135}}, float one = {{1}}, float half = {{0.5}}>
        {{ {body}  z = MatMul (x, w) }}"""
    model = onnx.parser.parse_model(text)
    rng = np.random.default_rng(len(name))
    for constant, shape in {"w": (40, 8), "gain": 40, "shift": 40}.items():
        array = rng.standard_normal(shape).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(array, constant))
    model = onnx.shape_inference.infer_shapes(model)
    quantc.export(model, tmp_path / "exported.onnx", quantize="w8a8-dynamic", **form)
    types = set(op_types(onnx.load(tmp_path / "exported.onnx").graph))
    assert has <= types and not has_not & types
    feed = {"x": 3 * rng.standard_normal((2, 120, 40)).astype(np.float32)}
    ours, theirs = quantc.compile(model, quantize="w8a8-dynamic").run(feed), oracle(tmp_path / "exported.onnx")(feed)
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(quantc.compile(tmp_path / "exported.onnx").run(feed)[0], ours[0])


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (1, 1, 1), (1, 1, 1, 1)], ids=len)
def test_scales_of_products_keep_their_rank(shape, tmp_path):
    rng = np.random.default_rng(3)
    weights = rng.standard_normal((4, 8)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Mul", ["p", "s"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [3, 4])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.full(shape, 0.3, np.float32), "s")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    quantc.export(model, tmp_path / "exported.onnx", quantize="w8a8-dynamic")
    feed = {"x": rng.standard_normal((3, 4)).astype(np.float32)}
    ours = quantc.compile(model, quantize="w8a8-dynamic").run(feed)[0]
    theirs = oracle(tmp_path / "exported.onnx")(feed)[0]
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("declared", [("h", "w"), None], ids=["any-size", "one-size"])
@pytest.mark.parametrize(
    "window, stride, dilation, size",
    [
        (3, 1, 1, (24, 40)),
        (3, 1, 1, (7, 13)),
        (3, 1, 1, (9, 3)),
        (3, 1, 1, (11, 600)),
        (3, 2, 1, (15, 33)),
        (3, 2, 1, (14, 14)),
        (3, 2, 2, (21, 113)),
        (3, 2, 1, (17, 1100)),
        (5, 1, 1, (9, 14)),
        (5, 1, 1, (7, 7)),
        (5, 2, 1, (1, 50)),
        (3, 1, 2, (10, 21)),
    ],
)
@pytest.mark.parametrize("has_residual", [False, True], ids=["alone", "residual"])
def test_depthwise_convolutions_of_floats(window, stride, dilation, size, declared, has_residual):
    """Added up in the same order, to the last bit: what a dynamic recipe leaves in float is quantized behind them."""
    rng = np.random.default_rng(window + size[1])
    weights = rng.standard_normal((32, 1, window, window)).astype(np.float32)
    bias = rng.standard_normal(32).astype(np.float32)
    conv = {"group": 32, "pads": [window // 2] * 4, "strides": [stride] * 2, "dilations": [dilation] * 2}
    if not has_residual:
        nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], **conv)]
    else:  # Read where the result is stored, element by element.
        nodes = [
            helper.make_node("Conv", ["x", "w"], ["other"], **conv),
            helper.make_node("Conv", ["x", "w", "b"], ["conv"], **conv),
            helper.make_node("Abs", ["other"], ["absolute"]),
            helper.make_node("Add", ["conv", "absolute"], ["y"]),
        ]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 32, *(declared or size)])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    constants = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")]
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    feed = {"x": rng.standard_normal((2, 32, *size)).astype(np.float32)}
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(quantc.compile(model).run(feed)[0], session.run(None, feed)[0])


@pytest.mark.parametrize("name, recipe", [("ppocr-cls", "w8a8"), ("ppocr-cls", "w8a8-s8"), ("minilm-l3", "w8a8-s8")])
def test_theirs_are_integers(name, recipe, tmp_path):
    """The default form leaves ONNX Runtime no product of floats."""
    path, feed = locate(MODELS[name]), next(iter(MODELS[name].feeds()))[1]
    stats = quantc.calibrate(path, [feed], tmp_path / "model.stats")
    quantc.export(path, tmp_path / "exported.onnx", quantize=recipe, stats=stats)
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(str(tmp_path / "exported.onnx"), options, providers=["CPUExecutionProvider"])
    types = set(op_types(onnx.load(tmp_path / "optimized.onnx").graph))
    assert not types & {"Conv", "FusedConv", "MatMul", "FusedMatMul", "Gemm", "FusedGemm"}


def test_forms(tmp_path, quantc_cli):
    """By default integer ops where ONNX Runtime would multiply floats, with --qdq nowhere."""
    model, x = make_layers()
    options = {"quantize": "w8a8-insist", "calibration": {"x": x}}
    quantc.export(model, tmp_path / "default.onnx", **options)
    quantc.export(model, tmp_path / "qdq.onnx", qdq=True, **options)
    types = {form: list(op_types(onnx.load(tmp_path / f"{form}.onnx").graph)) for form in ("default", "qdq")}
    # The transposed convolution is none to ONNX Runtime's integers, nor is a
    # convolution whose floats others want as well.
    assert "ConvInteger" in types["default"] and "ConvTranspose" not in types["default"]
    assert {"Conv", "ConvTranspose", "QuantizeLinear"} <= set(types["qdq"])
    assert not {"ConvInteger", "MatMulInteger"} & set(types["qdq"])
    (ours,), (theirs,) = quantc.compile(model, **options).run({"x": x}), oracle(tmp_path / "default.onnx")({"x": x})
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    onnx.save(model, tmp_path / "model.onnx")
    np.savez(tmp_path / "x.npz", x=x)
    flags = "--quantize=w8a8-insist", f"--calibration={tmp_path / 'x.npz'}", "-o", tmp_path / "cli.onnx"
    for form, flag in (("default", []), ("qdq", ["--qdq"])):
        quantc_cli.ok("export", tmp_path / "model.onnx", *flags, *flag)
        assert list(op_types(onnx.load(tmp_path / "cli.onnx").graph)) == types[form]
    (tmp_path / "cli.onnx").unlink()
    result = quantc_cli("export", tmp_path / "model.onnx", *flags, "--qdq", "--integer-ops")
    assert result.returncode and "exclude each other" in result.stderr and not (tmp_path / "cli.onnx").exists()
    with pytest.raises(ValueError, match="exclude each other"):
        quantc.export(model, tmp_path / "cli.onnx", qdq=True, integer_ops=True, **options)


AGAIN_CASES = [
    ("espcn-resize", "w8a8", {}),
    ("ppocr-cls", "w8a8", {}),
    ("silero-vad-static", None, {}),
    ("silero-vad-static", "w8a8", {}),
    ("silero-vad-static", "w8a8", {"integer_ops": True}),
    ("silero-vad-seq", "w8a8", {}),
    ("silero-vad", "w8", {}),
    ("magika", "w8a8-dynamic", {"integer_ops": True}),
    ("minilm-l3", "w8a8", {}),
    ("minilm-l3", "w4a16-g64", {}),
]


@pytest.mark.parametrize("name, recipe, form", AGAIN_CASES)
def test_exported_model_is_read_again(name, recipe, form, tmp_path):
    """What we write is a model like any other, and means to us what it meant before."""
    model = MODELS[name]
    path = locate(model)
    feeds = list(itertools.islice(model.feeds(), 2))
    options = {"quantize": recipe} if recipe else {}
    if recipe == "w8a8":
        options["stats"] = quantc.calibrate(path, feeds[0][1], tmp_path / "model.stats")
    quantc.export(path, tmp_path / "exported.onnx", **options, **form)
    before, again = quantc.compile(path, **options), quantc.compile(tmp_path / "exported.onnx")
    for size, feed in feeds:
        for a, b in zip(before.run(feed), again.run(feed), strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype
            error = np.linalg.norm(a.astype(np.float64) - b) / max(np.linalg.norm(a), 1e-30)
            assert error <= 1e-6, (size, error)


RECURRENT = {
    "lstm": ("y, h, c = LSTM <hidden_size = 8> (x, w, r)", 4, 1),
    "lstm-both-ways": ('y, h, c = LSTM <hidden_size = 8, direction = "bidirectional"> (x, w, r)', 4, 2),
    "lstm-lengths": ('y, h, c = LSTM <hidden_size = 8> (x, w, r, "", lengths)', 4, 1),
    "lstm-state": ('y, h, c = LSTM <hidden_size = 8> (x, w, r, "", "", state, state)', 4, 1),
    "gru": ('y, h = GRU <hidden_size = 8, direction = "reverse"> (x, w, r)', 3, 1),
    "gru-state": ('y, h = GRU <hidden_size = 8, linear_before_reset = 1> (x, w, r, "", "", state)', 3, 1),
}


@pytest.mark.parametrize("recipe", [None, "w8a8"])
@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_ops(name, recipe, tmp_path):
    """Their loops run in ONNX Runtime, and are read again: of one batch and of unknown ones."""
    text, gates, directions = RECURRENT[name]
    # What starts from one batch says so; the input does not.
    batch = "1" if "state" in text else "b"
    states = "float[d, 1, b, 8] y, float[d, b, 8] h" + (", float[d, b, 8] c" if gates == 4 else "")
    states = states.replace("float[d, 1, b, 8] y", "float[t, d, b, 8] y")
    inputs = "float[t, b, 16] x" + (f", float[1, {batch}, 8] state" if batch == "1" else "")
    inputs += ", int32[b] lengths" if "lengths" in text else ""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> g ({inputs}) => ({states}) {{ {text} }}')
    rng = np.random.default_rng(0)
    for weight, columns in (("w", 16), ("r", 8)):
        values = rng.standard_normal((directions, gates * 8, columns)).astype(np.float32) / 3
        model.graph.initializer.append(numpy_helper.from_array(values, weight))

    def feed(steps, batch):
        return {
            "x": rng.standard_normal((steps, batch, 16)).astype(np.float32),
            "state": rng.standard_normal((1, batch, 8)).astype(np.float32),
            "lengths": rng.integers(1, steps + 1, batch).astype(np.int32),
        }

    names = {i.name for i in model.graph.input}
    feeds = [
        {k: v for k, v in feed(steps, b).items() if k in names}
        for steps, b in [(5, 1), (1, 1), (9, 1)] + ([] if batch == "1" else [(4, 3)])
    ]
    options = {"quantize": recipe} if recipe else {}
    if recipe == "w8a8":
        options["calibration"] = feeds[:3]
    quantc.export(model, tmp_path / "exported.onnx", **options)
    before, again = quantc.compile(model, **options), quantc.compile(tmp_path / "exported.onnx")
    theirs = oracle(tmp_path / "exported.onnx")
    for inputs in feeds:
        for a, b, c in zip(before.run(inputs), again.run(inputs), theirs(inputs), strict=True):
            np.testing.assert_allclose(b, a, rtol=0, atol=1e-6)
            np.testing.assert_allclose(c, a, rtol=0, atol=1e-4)


@pytest.mark.parametrize("recipe, contrib", [("w4a16-g64", "MatMulNBits"), ("w8-g32", "MatMulNBits"), ("nf4-g64", "MatMulBnb4")])
def test_ops_of_grouped_weights(recipe, contrib, tmp_path):
    path = locate(MODELS["minilm-l3"])
    quantc.export(path, tmp_path / "contrib.onnx", quantize=recipe)
    model = onnx.load(tmp_path / "contrib.onnx")
    assert contrib in set(op_types(model.graph))
    size = (tmp_path / "contrib.onnx").stat().st_size
    quantc.export(path, tmp_path / "standard.onnx", quantize=recipe, standard_ops=True)
    model = onnx.load(tmp_path / "standard.onnx")
    assert domains(model) <= {"", "ai.onnx"}
    # Weights stay small in this form as well.
    assert (tmp_path / "standard.onnx").stat().st_size < 1.3 * size


@pytest.mark.parametrize("recipe, bits", [("w8", 8), ("w8-asym", 8), ("w4-asym", 4), ("w2", 2)])
@pytest.mark.parametrize("depth, block", [(3, 16), (100, 128), (300, 256), (1100, 256)])
def test_one_scale_a_column(depth, block, recipe, bits, tmp_path):
    """Blocks that share the scale: longer than a column, which is filled up, or many to one."""
    rng = np.random.default_rng(0)
    text = f'<ir_version: 8, opset_import: ["" : 17]> g (float[m, {depth}] x) => (float[m, 24] y) {{ y = MatMul (x, w) }}'
    model = onnx.parser.parse_model(text)
    # Each column has another scale and zero point.
    weights = rng.standard_normal((depth, 24)) * np.linspace(1, 9, 24) + np.linspace(-2, 2, 24)
    model.graph.initializer.append(numpy_helper.from_array(weights.astype(np.float32), "w"))
    quantc.export(model, tmp_path / "exported.onnx", quantize=recipe)
    (node,) = onnx.load(tmp_path / "exported.onnx").graph.node
    attributes = {a.name: a.i for a in node.attribute}
    assert node.op_type == "MatMulNBits"
    assert (attributes["K"], attributes["bits"], attributes["block_size"]) == (depth, bits, block)
    feed = {"x": rng.standard_normal((5, depth)).astype(np.float32)}
    (ours,), (theirs,) = quantc.compile(model, quantize=recipe).run(feed), oracle(tmp_path / "exported.onnx")(feed)
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=2e-6 * np.abs(ours).max())
    np.testing.assert_array_equal(quantc.compile(tmp_path / "exported.onnx").run(feed)[0], ours)
