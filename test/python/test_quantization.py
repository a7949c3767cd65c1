"""Recipes end to end: calibrate, quantize, compile, export, run."""

from pathlib import Path

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


def oracle(model, x):
    options = ort.SessionOptions()
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


@pytest.fixture(scope="module")
def products(cnn, data):
    """What is multiplied by each constant weight, in float: (name, inputs)."""
    weights = {"w1": "x", "w2": "r1", "w3": "f", "w4": "a"}
    exposed = onnx.ModelProto()
    exposed.CopyFrom(cnn)
    for name in set(weights.values()) - {"x"}:
        exposed.graph.output.add().name = name
    session = ort.InferenceSession(exposed.SerializeToString(), providers=["CPUExecutionProvider"])
    values = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"x": data}), strict=True), x=data)
    return {weight: values[name] for weight, name in weights.items()}


def get_bound(cnn, products, weight_bits=None, activation_bits=None, granularity="channel"):
    """The signal to noise ratio that uniform rounding to these bits allows.

    Rounding with steps s adds noise of s²/12 to each number. Each product passes
    on the noise of its operands relative to their power, and adds up what came
    before. One bit (6 dB) is allowed for what that leaves out: means (batch
    norms and Relu take power from the signal, not from the noise), correlation,
    and what sums, tables and pools of integers round again.
    """
    noise = 0
    for initializer in cnn.graph.initializer:
        if initializer.name not in products:
            continue
        weight, x = onh.to_array(initializer).astype(np.float64), products[initializer.name]
        if initializer.name == "w4":
            weight = weight.T
        if weight_bits:
            rows = weight.reshape(len(weight), -1) if granularity == "channel" else weight.reshape(1, -1)
            steps = 2 * np.abs(rows).max(axis=1) / (2**weight_bits - 2)
            noise += np.mean(steps**2) / 12 / np.mean(weight**2)
        if activation_bits:
            step = (max(x.max(), 0) - min(x.min(), 0)) / (2**activation_bits - 1)
            noise += step**2 / 12 / np.mean(np.square(x, dtype=np.float64))
    return -10 * np.log10(noise) - 6.02


# What rounding of each recipe's numbers amounts to: the bits of weights and of
# activations. A method that searches must not be worse than plain rounding.
RECIPES = {
    "w8a8": (8, 8),
    "w8a8-s8": (8, 8),
    "w8a8-tensor": (8, 8, "tensor"),
    "w8a8-percentile99.99": (8, 8),
    "w8a8-entropy": (8, 8),
    "w8a8-mse": (8, 8),
    "w8a8-dynamic": (8, 8),
    "w8a8-dynamic-token": (8, 8),
    "w8": (8, None),
    "w7a8": (7, 8),
    "w4a8": (4, 8),
    "w4-g8": (4, None),
    "w4-asym-hqq-g8": (4, None),
    "w4-gptq": (4, None),
    "nf4-g16": (4, None),
    # Three bits of fraction and one of sign: as fine as 5 bits near the maximum.
    "f8e4m3-g16": (5, None),
    "w8a8-smoothquant": (8, 8),
    "w4-g8-awq": (4, None),
    "w16": (16, None),
    "w16a8": (16, 8),
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe(recipe, cnn, stats, products):
    x = unseen()
    model = quantc.compile(cnn, quantize=recipe, stats=stats)
    bound = get_bound(cnn, products, *RECIPES[recipe])
    found = sqnr(oracle(cnn, x), model.run(x)[0])
    print(f"{recipe}: {found:.1f} dB, at least {bound:.1f}")
    assert found >= bound


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
        ("{weights: {bits: 4.5}}", "'bits' is '4.5', which is no whole number"),
        ("{weights: {bits: -3}}", "'bits' is '-3', which is no whole number"),
        ("{base: w8a8, weights: {granularity: group, group-size: -1}}", "weights.group-size is -1"),
        ("{base: w8a8, activations: {range: percentile=200}}", "at most 100"),
        ("{base: w8a8, transformations: [{method: magic}]}", "use one of smoothquant"),
        ("{base: w8a8, transformations: [{method: equalize, step: 3}]}", "unknown key 'step'"),
        ("{base: w8a8, transformations: [{method: smoothquant, alpha: nan}]}", "alpha is nan"),
        ("{base: w8a8, skip: [conv1], skip: [conv2]}", "duplicated mapping key 'skip'"),
        ("{base: w8a8, skip: ['[']}", "skip[0]: '[' is no pattern"),
        ("{base: w8a8, overrides: [{node: conv1, weights: {bits: 77}}]}", "overrides[0].weights.bits is 77"),
        ("nowhere/recipe.yaml", "cannot be read"),
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


DAMAGES = {
    "NaN for a range": ("w8a8", {"range": np.nan}, "does not fit its histogram"),
    "infinite range": ("w8a8", {"range": np.inf}, "does not fit its histogram"),
    "histogram without numbers": ("w8a8", {"histogram_count": 0}, "does not fit its histogram"),
    "histogram of NaN": ("w8a8", {"histogram_key": 0x3FFFF, "range": [np.inf, -np.inf]}, "value 'x' was NaN 1"),
    "range of channels": ("w8a8-smoothquant", {"channel_range": np.nan}, "ranges of its channels are none"),
    "sums": ("w8a8-biascorrection", {"sum": np.nan}, "sums over its channels are no numbers"),
    "squares": ("w8-importance", {"sum_squares": np.inf}, "sums over its channels are no numbers"),
    "Gram matrix": ("w4-gptq", {"gram_0": np.nan}, "Gram matrix has elements that are no numbers"),
    "channels without numbers": ("w8a8-biascorrection", {"count_per_channel": 0}, "its channels have no numbers"),
    "no samples": ("w8a8", {"num_samples": 0}, "holds no samples"),
    "no names": ("w8a8", {"names": ord("x")}, "does not fit the names"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_statistics(damage, cnn, stats, tmp_path):
    recipe, changes, part = DAMAGES[damage]
    with np.load(stats.path) as file:
        arrays = {name: file[name] for name in file.files}
    for name, value in changes.items():
        assert arrays[name].size
        arrays[name] = np.array(np.broadcast_to(value, arrays[name].shape), arrays[name].dtype)
    np.savez(tmp_path / "damaged.npz", **arrays)
    with pytest.raises(quantc.CompileError) as error:
        quantc.compile(cnn, quantize=recipe, stats=tmp_path / "damaged.npz", output=tmp_path / "model.so")
    assert part in str(error.value)
    assert not (tmp_path / "model.so").exists()


@pytest.mark.parametrize("size", [0, 0.5])
def test_statistics_cut_off(size, cnn, stats, tmp_path):
    whole = Path(stats.path).read_bytes()
    (tmp_path / "cut.stats").write_bytes(whole[: int(size * len(whole))])
    with pytest.raises(quantc.CompileError, match="cut.stats"):
        quantc.compile(cnn, quantize="w8a8", stats=tmp_path / "cut.stats", output=tmp_path / "model.so")
    assert not (tmp_path / "model.so").exists()


@pytest.mark.parametrize("recipe", ["w4-gptq", "w8-awq", "w8a8-smoothquant", "w8a8-llmint8", "w8a8-biascorrection"])
def test_data_that_are_no_numbers(recipe, tmp_path):
    """Whatever reads statistics, even of single channels, names the value."""
    rng = np.random.default_rng(0)
    constants = [onh.from_array(rng.standard_normal(s).astype(np.float32), n) for n, s in (("c", 16), ("w", (16, 8)))]
    nodes = [oh.make_node("Mul", ["x", "c"], ["m"], "factor"), oh.make_node("MatMul", ["m", "w"], ["y"], "product")]
    types = [oh.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n", s]) for n, s in (("x", 16), ("y", 8))]
    graph = oh.make_graph(nodes, "g", types[:1], types[1:], constants)
    model = oh.make_model(graph, opset_imports=[oh.make_opsetid("", 20)], ir_version=10)
    x = rng.standard_normal((4, 32, 16)).astype(np.float32)
    x[1, 2, 3] = np.nan
    with pytest.raises(quantc.CompileError, match="value 'm' was NaN 1 times"):
        quantc.compile(model, quantize=recipe, calibration={"x": x}, output=tmp_path / "model.so")
    assert not (tmp_path / "model.so").exists()


@pytest.mark.parametrize("recipe", ["w8a8", "w8a8-s8", "w8a8-dynamic", "w8", "w4-asym-g8", None])
def test_export_gives_what_we_give(recipe, cnn, stats, tmp_path):
    x = unseen()
    path = tmp_path / "model.onnx"
    quantc.export(cnn, path, quantize=recipe, stats=stats if recipe else None)
    onnx.checker.check_model(str(path), full_check=True)
    ours = quantc.compile(cnn, quantize=recipe, stats=stats if recipe else None).run(x)[0]
    exported = oracle(str(path), x)
    assert np.linalg.norm(ours - exported) <= 1e-4 * np.linalg.norm(exported)


def test_export_errors_write_nothing(cnn, tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(quantc.CompileError, match="needs statistics"):
        quantc.export(cnn, path, quantize="w8a8")
    assert not path.exists()


# ---- loops and branches ----

BRANCHES = """
<ir_version: 8, opset_import: ["" : 17]>
g (bool[1] c, float[n,16] x, float[5,1,16] s) => (float[n,8] y, float[5,1,1,8] h) {
  [choice] y = If (c) <
    then_branch = t () => (float[n,8] y1) { [taken] y1 = MatMul(x, w1) },
    else_branch = e () => (float[n,8] y2) { d = Add(x, x) [other] y2 = MatMul(d, w2) }>
  [cell] h = LSTM <hidden_size = 8> (s, w, r)
}
"""


def test_loops_and_branches(quantc_cli, tmp_path):
    """Integers in what data went through when calibrating; the rest, with a
    remark, in float."""
    rng = np.random.default_rng(0)
    model = onnx.parser.parse_model(BRANCHES)
    for name, shape in (("w1", (16, 8)), ("w2", (16, 8)), ("w", (1, 32, 16)), ("r", (1, 32, 8))):
        model.graph.initializer.append(onh.from_array(rng.standard_normal(shape).astype(np.float32) / 3, name))
    onnx.save(model, tmp_path / "model.onnx")
    x, s = rng.standard_normal((24, 1, 16)).astype(np.float32), rng.standard_normal((24, 5, 1, 16)).astype(np.float32)
    np.savez(tmp_path / "data.npz", c=np.ones((24, 1), bool), x=x, s=s)
    source = tmp_path / "model.onnx", f"--calibration={tmp_path / 'data.npz'}", "--quantize=w8a8"
    done = quantc_cli("compile", *source, "--print-stats", "-o", tmp_path / "model.so")
    assert done.returncode == 0, done.stderr
    reasons = [line for line in done.stderr.splitlines() + done.stdout.splitlines() if "in float:" in line]
    assert len(reasons) == 1 and "'other' keeps its activations in float" in reasons[0]
    assert "never took" in reasons[0]
    # The inputs, and in the loop what it carries.
    before, loop = quantc_cli.ok("compile", *source, "--emit=import").split("scf.for")
    assert before.count("qnn.quantize") == 2 and loop.count("qnn.quantize") == 1

    compiled = quantc.load(str(tmp_path / "model.so"))
    session = ort.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    for taken in (True, False):
        feed = {"c": np.array([taken]), "x": x[0], "s": s[0]}
        for ours, theirs in zip(compiled.run(feed), session.run(None, feed), strict=True):
            assert sqnr(theirs, ours) > 25
