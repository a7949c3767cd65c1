"""Recipes end to end: calibrate, quantize, compile, export, run."""

import numpy as np
import onnx
import onnx.helper as oh
import onnx.numpy_helper as onh
import onnxruntime as ort
import pytest

import quantc
from quantc import Activations, Override, Recipe, Weights

SIZE = 16


def make_cnn(seed=0):
    """Convolutions with batch norms, a residual sum, a table and two products."""
    rng = np.random.default_rng(seed)
    constants = {}

    def constant(name, *shape, scale=1.0, low=None):
        values = rng.standard_normal(shape) * scale if low is None else rng.uniform(low, 2, shape)
        constants[name] = values.astype(np.float32)
        return name

    def norm(name, x, y, channels):
        return oh.make_node(
            "BatchNormalization",
            [
                x,
                constant(f"{name}.scale", channels, low=0.5),
                constant(f"{name}.bias", channels),
                constant(f"{name}.mean", channels),
                constant(f"{name}.variance", channels, low=0.5),
            ],
            [y],
            name,
        )

    nodes = [
        oh.make_node("Conv", ["x", constant("w1", 8, 3, 3, 3, scale=0.3)], ["c1"], "conv1", pads=[1] * 4),
        norm("norm1", "c1", "n1", 8),
        oh.make_node("Relu", ["n1"], ["r1"], "relu1"),
        oh.make_node("Conv", ["r1", constant("w2", 8, 8, 3, 3, scale=0.2), constant("b2", 8)], ["c2"], "conv2", pads=[1] * 4),
        norm("norm2", "c2", "n2", 8),
        oh.make_node("Add", ["n2", "r1"], ["s"], "sum"),
        oh.make_node("Relu", ["s"], ["r2"], "relu2"),
        oh.make_node("MaxPool", ["r2"], ["p"], "pool", kernel_shape=[4, 4], strides=[4, 4]),
        oh.make_node("Flatten", ["p"], ["f"], "flatten"),
        oh.make_node("Gemm", ["f", constant("w3", 32, 128, scale=0.1), constant("b3", 32)], ["g"], "gemm", transB=1),
        oh.make_node("Gelu", ["g"], ["a"], "gelu"),
        oh.make_node("MatMul", ["a", constant("w4", 32, 10, scale=0.3)], ["y"], "head"),
    ]
    graph = oh.make_graph(
        nodes,
        "cnn",
        [oh.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
        [oh.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 10])],
        [onh.from_array(v, k) for k, v in constants.items()],
    )
    return oh.make_model(graph, opset_imports=[oh.make_opsetid("", 20)], ir_version=10)


@pytest.fixture(scope="module")
def cnn():
    return make_cnn()


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    return rng.standard_normal((24, 3, SIZE, SIZE)).astype(np.float32)


@pytest.fixture(scope="module")
def stats(cnn, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("stats") / "cnn.stats"
    return quantc.calibrate(cnn, {"x": data}, path, gram=True)


def oracle(model, x, basic=False):
    options = ort.SessionOptions()
    if basic:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    # Without AVX-VNNI its products of u8 and s8 saturate at 16 bits otherwise.
    options.add_session_config_entry("session.x64quantprecision", "1")
    model = model if isinstance(model, str) else model.SerializeToString()
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def sqnr(reference, output):
    error = np.sum(np.square(reference.astype(np.float64) - output))
    return 10 * np.log10(np.sum(np.square(reference, dtype=np.float64)) / error)


def unseen():
    return np.random.default_rng(2).standard_normal((8, 3, SIZE, SIZE)).astype(np.float32)


def test_folding_keeps_the_float_result(cnn):
    x = unseen()
    reference = oracle(cnn, x)
    output = quantc.compile(cnn).run(x)[0]
    assert np.linalg.norm(output - reference) <= 1e-5 * np.linalg.norm(reference)


# What each recipe keeps at least of a network of random weights, in dB.
RECIPES = {
    "w8a8": 25,
    "w8a8-s8": 25,
    "w8a8-tensor": 20,
    "w8a8-entropy": 5,
    "w8a8-mse": 25,
    "w8a8-dynamic": 30,
    "w8a8-dynamic-token": 30,
    "w8": 35,
    "w7a8": 25,
    "w4a8": 10,
    "w4-g8": 10,
    "w4-asym-hqq-g8": 10,
    "w4-gptq": 10,
    "nf4-g16": 10,
    "f8e4m3-g16": 20,
    "w8a8-smoothquant": 25,
    "w4-g8-awq": 10,
    "w16": 80,
    "w16a8": 25,
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe(recipe, cnn, stats):
    x = unseen()
    model = quantc.compile(cnn, quantize=recipe, stats=stats)
    assert sqnr(oracle(cnn, x), model.run(x)[0]) >= RECIPES[recipe]


def test_data_and_statistics_give_the_same(cnn, data, stats):
    x = unseen()
    a = quantc.compile(cnn, quantize="w8a8", calibration={"x": data}).run(x)[0]
    b = quantc.compile(cnn, quantize="w8a8", stats=stats).run(x)[0]
    np.testing.assert_array_equal(a, b)


def test_overrides(cnn, stats):
    """Leaving the worst part in float is better than quantizing all to 4 bits."""
    x = unseen()
    reference = oracle(cnn, x)

    def quality(**fields):
        recipe = Recipe("w8a8", weights=Weights(bits=3), **fields)
        return sqnr(reference, quantc.compile(cnn, quantize=recipe, stats=stats).run(x)[0])

    plain = quality()
    assert quality(skip=["conv*"]) > plain + 1
    assert quality(overrides=[Override(op="qnn.conv", weights=Weights(bits=8))]) > plain + 1
    assert quality(first_layer="8-bit", last_layer="float") > plain
    assert quality(overrides=[Override(node="*", skip=True)]) > 90


@pytest.mark.parametrize(
    "recipe, part",
    [
        ("w8a8-quick", "'quick' is no part"),
        ("{base: w8a8, wieghts: {bits: 4}}", "unknown key 'wieghts'"),
        (Recipe(weights=Weights(bits=9)), "weights.bits is 9"),
        (Recipe(skip=["/layers/*"]), "skip[0] matches nothing"),
        (Recipe(overrides=[Override(op="qnn.lstm", skip=True)]), "overrides[0] matches nothing"),
        (Recipe(activations=Activations(mode="dynamic", granularity="token")), "symmetric and signed"),
    ],
)
def test_bad_recipes(recipe, part, cnn, stats, tmp_path):
    path = tmp_path / "model.so"
    with pytest.raises(quantc.CompileError) as error:
        quantc.compile(cnn, quantize=recipe, stats=stats, output=path)
    assert part in str(error.value)
    assert not path.exists()


def test_missing_and_foreign_statistics(cnn, data, stats, tmp_path):
    path = tmp_path / "model.so"

    def fails(part, **source):
        with pytest.raises(quantc.CompileError) as error:
            quantc.compile(cnn, quantize="w8a8", output=path, **source)
        assert part in str(error.value)
        assert not path.exists()

    fails("needs statistics")
    fails("use one of them", stats=stats, calibration={"x": data})
    fails("nothing.stats", stats=tmp_path / "nothing.stats")
    other = quantc.calibrate(make_cnn(seed=7), {"x": data[:2]}, tmp_path / "other.stats")
    fails("another model", stats=other)
    fails("NaN", calibration={"x": np.full_like(data[:2], np.nan)})


@pytest.mark.parametrize("recipe", ["w8a8", "w8a8-s8", "w8a8-dynamic", "w8", "w4-asym-g8", None])
def test_export_gives_what_we_give(recipe, cnn, stats, tmp_path):
    x = unseen()
    path = tmp_path / "model.onnx"
    quantc.export(cnn, path, quantize=recipe, stats=stats if recipe else None)
    onnx.checker.check_model(str(path), full_check=True)
    ours = quantc.compile(cnn, quantize=recipe, stats=stats if recipe else None).run(x)[0]
    # With more optimizations, products with 8-bit weights quantize activations.
    exported = oracle(str(path), x, basic=recipe == "w8")
    assert np.linalg.norm(ours - exported) <= 1e-4 * np.linalg.norm(exported)


def test_export_errors_write_nothing(cnn, tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(quantc.CompileError, match="needs statistics"):
        quantc.export(cnn, path, quantize="w8a8")
    assert not path.exists()
