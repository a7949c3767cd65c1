"""Equalization and bias correction, against their definitions in numpy."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx.helper as oh
import onnx.numpy_helper as onh
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import quantc
from quantc import Recipe, Transformation
from real_models import MODELS, reference
from test_quantization import sqnr
from test_real_models import locate

SIZE = 12


def make_model(nodes, constants, inputs, outputs):
    graph = oh.make_graph(
        nodes,
        "g",
        [oh.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [oh.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [onh.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()],
    )
    return oh.make_model(graph, opset_imports=[oh.make_opsetid("", 20)], ir_version=10)


def make_constants(seed=0, spread=1.5):
    """Weights of conv, depthwise conv, conv and matmul; each channel between two
    of them has a size of its own, up to 10 to the power of `spread`."""
    rng = np.random.default_rng(seed)
    sizes = [10 ** rng.uniform(-spread, spread, 8) for _ in range(3)]
    spatial = (slice(None), None, None, None)
    return {
        "w1": rng.standard_normal((8, 3, 3, 3)) * 0.3 * sizes[0][spatial],
        "b1": rng.standard_normal(8) * 0.3 * sizes[0],
        "w2": rng.standard_normal((8, 1, 3, 3)) * 0.4 * (sizes[1] / sizes[0])[spatial],
        "b2": rng.standard_normal(8) * 0.3 * sizes[1],
        "w3": rng.standard_normal((8, 8, 1, 1)) * 0.4 * sizes[2][spatial] / sizes[1][None, :, None, None],
        "b3": rng.standard_normal(8) * 0.3 * sizes[2],
        "w4": rng.standard_normal((8, 5)) * 0.5 / sizes[2][:, None],
    }


def make_cnn(constants):
    conv = {"pads": [1] * 4}
    nodes = [
        oh.make_node("Conv", ["x", "w1", "b1"], ["c1"], "conv1", **conv),
        oh.make_node("Relu", ["c1"], ["r1"], "relu1"),
        oh.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "conv2", group=8, **conv),
        oh.make_node("LeakyRelu", ["c2"], ["r2"], "relu2", alpha=0.1),
        oh.make_node("MaxPool", ["r2"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        oh.make_node("Conv", ["p", "w3", "b3"], ["c3"], "conv3"),
        oh.make_node("Relu", ["c3"], ["r3"], "relu3"),
        oh.make_node("ReduceMean", ["r3", "axes"], ["m"], "mean", keepdims=0),
        oh.make_node("MatMul", ["m", "w4"], ["y"], "head"),
    ]
    model = make_model(nodes, constants, {"x": ["n", 3, SIZE, SIZE]}, {"y": ["n", 5]})
    model.graph.initializer.append(onh.from_array(np.array([2, 3], np.int64), "axes"))
    return model


@pytest.fixture(scope="module")
def cnn():
    return make_cnn(make_constants())


def make_data(count, seed):
    return np.random.default_rng(seed).standard_normal((count, 3, SIZE, SIZE)).astype(np.float32)


@pytest.fixture(scope="module")
def stats(cnn, tmp_path_factory):
    return quantc.calibrate(cnn, {"x": make_data(16, 1)}, tmp_path_factory.mktemp("s") / "cnn.stats")


def oracle(model, x):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def dequantized_weights(path):
    """The weights of an exported model by the names of their nodes, as the
    numbers that their integers stand for, and the scales."""
    graph = onnx.load(str(path)).graph
    constants = {i.name: onh.to_array(i) for i in graph.initializer}
    made = {o: n for n in graph.node for o in n.output}
    found = {}
    for node in graph.node:
        source = made.get(node.input[1]) if node.op_type in ("Conv", "MatMul") else None
        if source is not None and source.op_type == "DequantizeLinear":
            codes, scale = (constants[i] for i in source.input[:2])
            axis = next((a.i for a in source.attribute if a.name == "axis"), 1)
            shape = [1] * codes.ndim
            if scale.ndim:
                shape[axis] = -1
            found[node.name] = codes.astype(np.float64) * scale.reshape(shape), scale
    return found


# ---- equalization ----


@pytest.mark.models
@pytest.mark.parametrize("name", ["mnist-conv", "espcn-subpixel", "ppocr-cls"])
def test_equalization_keeps_the_float_result(name, quantc_cli, quant_opt, tmp_path, rng):
    path, model = locate(MODELS[name]), MODELS[name]
    graph = quantc_cli.ok("compile", path, "--emit=import")

    def run(passes):
        return quant_opt.ok(f"--pass-pipeline=builtin.module({passes})", "--mlir-print-debuginfo", input=graph)

    changed = run("qnn-prepare-quantization,func.func(qnn-equalize),qnn-fold-constants")
    assert changed != run("qnn-prepare-quantization")
    (tmp_path / "model.mlir").write_text(changed)
    quantc_cli.ok("compile", tmp_path / "model.mlir", "-o", tmp_path / "model.so")
    feed = model.feed(rng, model.sizes[0])
    for ours, theirs in zip(quantc.load(str(tmp_path / "model.so")).run(feed), reference(path)(feed), strict=True):
        assert np.linalg.norm(ours - theirs) <= 1e-5 * np.linalg.norm(theirs)


def test_equalization_is_its_definition(cnn, tmp_path):
    """One range for both sides of each channel; a weight has the largest."""
    constants = make_constants()
    w = {k: np.abs(constants[k]) for k in ("w1", "w2", "w3", "w4")}
    total = [np.ones(8) for _ in range(3)]
    for _ in range(20):
        for i, s in enumerate(total):
            out = [w["w1"].max((1, 2, 3)), w["w2"].max((1, 2, 3)), w["w3"].max((1, 2, 3))][i]
            into = [w["w2"].max((1, 2, 3)), w["w3"].max((0, 2, 3)), w["w4"].max(1)][i]
            f = np.sqrt(out / into)
            w[f"w{i + 1}"] = w[f"w{i + 1}"] / f[:, None, None, None]
            shape = [(-1, 1, 1, 1), (1, -1, 1, 1), (-1, 1)][i]
            w[f"w{i + 2}"] = w[f"w{i + 2}"] * f.reshape(shape)
            s *= f
    path = tmp_path / "model.onnx"
    quantc.export(cnn, path, quantize="w8-tensor-equalize", qdq=True)
    found = dequantized_weights(path)
    for node, name in (("conv1", "w1"), ("conv2", "w2"), ("conv3", "w3"), ("head", "w4")):
        weights, scale = found[node]
        # Neither does go on once ranges differ by half a percent.
        np.testing.assert_allclose(scale, w[name].max() / 127, rtol=0.01)
        assert np.all(np.abs(np.abs(weights) - w[name]) <= 0.5 * scale + 0.01 * w[name])


def test_equalization_helps_weights_with_one_scale(cnn, stats):
    x = make_data(8, 2)
    reference, found = oracle(cnn, x), {}
    for recipe in ("w8a8-tensor", "w8a8-tensor-equalize"):
        found[recipe] = sqnr(reference, quantc.compile(cnn, quantize=recipe, stats=stats).run(x)[0])
    # Before, most channels have a step as large as they are.
    assert found["w8a8-tensor"] < 15
    assert found["w8a8-tensor-equalize"] >= found["w8a8-tensor"] + 12


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1000), st.lists(st.lists(st.integers(-9, 9), min_size=8, max_size=8), min_size=3, max_size=3))
def test_equalization_undoes_scales(seed, exponents):
    """However channels between layers are scaled (by powers of two, which are
    exact), the equalized weights are the same."""
    plain = make_constants(seed, spread=0)
    scaled = dict(plain)
    for i, powers in enumerate(np.exp2(np.array(exponents))):
        scaled[f"w{i + 1}"] = scaled[f"w{i + 1}"] * powers[:, None, None, None]
        scaled[f"b{i + 1}"] = scaled[f"b{i + 1}"] * powers
        shape = [(-1, 1, 1, 1), (1, -1, 1, 1), (-1, 1)][i]
        scaled[f"w{i + 2}"] = scaled[f"w{i + 2}"] / powers.reshape(shape)
    found = []
    recipe = Recipe("w8-tensor", transformations=[Transformation("equalize", steps=100)])
    for constants in (plain, scaled):
        with tempfile.TemporaryDirectory() as folder:
            quantc.export(make_cnn(constants), Path(folder) / "model.onnx", quantize=recipe)
            found.append(dequantized_weights(Path(folder) / "model.onnx"))
    for node, (weights, scale) in found[0].items():
        other, other_scale = found[1][node]
        # Ranges that differ by half a percent count as equal.
        np.testing.assert_allclose(other_scale, scale, rtol=0.02)
        assert np.all(np.abs(other - weights) <= 1.01 * scale + 0.03 * np.abs(weights))


def test_statistics_follow(cnn, stats):
    """Those of a file are divided; with data, the changed graph is calibrated."""
    x = make_data(8, 2)
    recipe = Recipe("w8a8", transformations=[Transformation("equalize", steps=5)])
    divided = quantc.compile(cnn, quantize=recipe, stats=stats).run(x)[0]
    again = quantc.compile(cnn, quantize=recipe, calibration={"x": make_data(16, 1)}).run(x)[0]
    # The same ranges, up to the rounding of quotients.
    assert sqnr(again, divided) > 40
    text = "{base: w8a8-mse, transformations: [{method: equalize}]}"
    mse = quantc.compile(cnn, quantize=text, calibration={"x": make_data(16, 1)}).run(x)[0]
    assert sqnr(oracle(cnn, x), mse) > 20


# ---- bias correction ----


def make_layer(kind, rng):
    """A convolution of two groups with a bias, or a product without one."""
    if kind == "conv":
        constants = {"w": rng.standard_normal((6, 2, 1, 1)), "b": rng.standard_normal(6)}
        node = oh.make_node("Conv", ["x", "w", "b"], ["y"], "layer", group=2)
        return make_model([node], constants, {"x": ["n", 4, 5, 5]}, {"y": ["n", 6, 5, 5]}), (4, 5, 5)
    constants = {"w": rng.standard_normal((4, 6))}
    nodes = [oh.make_node("MatMul", ["x", "w"], ["y"], "layer")]
    return make_model(nodes, constants, {"x": ["n", 7, 4]}, {"y": ["n", 7, 6]}), (7, 4)


@pytest.mark.parametrize("kind", ["conv", "matmul"])
def test_means_stay(kind, rng, tmp_path):
    """Over the data that calibrated it, a corrected layer has no shift."""
    model, shape = make_layer(kind, rng)
    x = (rng.standard_normal((20, *shape)) + 3).astype(np.float32)
    axes = (0, 2, 3) if kind == "conv" else (0, 1)
    expected = oracle(model, x).mean(axes)

    def shift(recipe):
        y = quantc.compile(model, quantize=recipe, calibration={"x": x}).run(x)[0]
        return np.abs(y.mean(axes) - expected).max()

    assert shift("w3") > 0.05
    assert shift("w3-biascorrection") < 1e-4
    # Without data there is no mean.
    with pytest.raises(quantc.CompileError, match="needs statistics"):
        quantc.compile(model, quantize="w3-biascorrection")


def test_bias_correction_is_its_definition(rng, tmp_path):
    model, shape = make_layer("conv", rng)
    x = (rng.standard_normal((20, *shape)) + 3).astype(np.float32)
    constants = {i.name: onh.to_array(i) for i in model.graph.initializer}
    path = tmp_path / "model.onnx"
    stats = quantc.calibrate(model, {"x": x}, tmp_path / "x.stats")
    np.testing.assert_allclose(stats["x"].mean, x.mean((0, 2, 3)), rtol=1e-5)
    quantc.export(model, path, quantize="w3-biascorrection", stats=stats)
    weights, _ = dequantized_weights(path)["layer"]
    difference = (weights - constants["w"])[:, :, 0, 0]
    mean = x.mean((0, 2, 3), dtype=np.float64).reshape(2, 2)
    expected = constants["b"] - np.einsum("goi,gi->go", difference.reshape(2, 3, 2), mean).reshape(-1)
    graph = onnx.load(str(path)).graph
    (node,) = [n for n in graph.node if n.op_type == "Conv"]
    (bias,) = [onh.to_array(i) for i in graph.initializer if i.name == node.input[2]]
    np.testing.assert_allclose(bias, expected, rtol=1e-4, atol=1e-5)


def test_bias_correction_helps(tmp_path):
    cnn, x = make_cnn(make_constants(spread=0.2)), make_data(8, 2)
    stats = quantc.calibrate(cnn, {"x": make_data(16, 1)}, tmp_path / "cnn.stats")
    reference, found = oracle(cnn, x), {}
    for recipe in ("w4a8", "w4a8-biascorrection", "w4a8-tensor-equalize", "w4a8-tensor-equalize-biascorrection"):
        found[recipe] = sqnr(reference, quantc.compile(cnn, quantize=recipe, stats=stats).run(x)[0])
    assert found["w4a8-biascorrection"] > found["w4a8"] + 1, found
    assert found["w4a8-tensor-equalize-biascorrection"] > found["w4a8-tensor-equalize"] + 1, found


def test_statistics_without_means(cnn, stats, tmp_path):
    with np.load(stats.path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["has_moments"][:] = 0
    for name in ("sum", "sum_abs", "sum_squares"):
        arrays[name] = arrays[name][:0]
    np.savez(tmp_path / "bare.npz", **arrays)
    with pytest.raises(quantc.CompileError, match="needs the means of the channels of 'x'"):
        quantc.compile(cnn, quantize="w8a8-biascorrection", stats=tmp_path / "bare.npz")
