"""Weight methods and channel scaling on a gated MLP, by quant-opt's passes."""

import itertools

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc
from statistics_file import write_statistics

ort = pytest.importorskip("onnxruntime")

K, HIDDEN = 128, 192


class GatedMLP:
    """norm weight · x -> gate, up -> silu(gate) · up -> down, with outliers."""

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        self.folder = folder
        weights = {
            "norm": np.exp(0.3 * rng.standard_normal(K)),
            "gate": rng.standard_normal((K, HIDDEN)) / np.sqrt(K),
            "up": rng.standard_normal((K, HIDDEN)) / np.sqrt(K),
            "down": rng.standard_normal((HIDDEN, K)) / np.sqrt(HIDDEN),
        }
        weights["norm"][7] = 40
        weights["up"][:, 5] *= 60
        self.weights = {name: w.astype(np.float32) for name, w in weights.items()}
        nodes = [
            helper.make_node("Mul", ["x", "norm"], ["normed"]),
            helper.make_node("MatMul", ["normed", "gate"], ["g"]),
            helper.make_node("MatMul", ["normed", "up"], ["u"]),
            helper.make_node("Sigmoid", ["g"], ["s"]),
            helper.make_node("Mul", ["g", "s"], ["a"]),
            helper.make_node("Mul", ["a", "u"], ["h"]),
            helper.make_node("MatMul", ["h", "down"], ["y"]),
        ]
        shape = ["n", K]
        graph = helper.make_graph(
            nodes,
            "mlp",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
            [numpy_helper.from_array(w, name) for name, w in self.weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        self.path = folder / "mlp.onnx"
        onnx.save(model, self.path)
        # Channels that depend on each other, as a layer's inputs do.
        mix = rng.standard_normal((K, K))
        mix *= np.exp(-np.arange(K) / 12)[:, None]
        self.calibration, self.x = (
            (rng.standard_normal((n, K)) @ mix + 0.1 * rng.standard_normal((n, K))).astype(np.float32)
            for n in (600, 300)
        )
        values = {name: [v] for name, v in self.run_all(self.calibration).items() if name in ("normed", "h")}
        self.statistics = folder / "mlp.npz"
        write_statistics(self.statistics, values, gram=values)

    def run_all(self, x, weights=None):
        w = weights or self.weights
        normed = x * w["norm"]
        gate = normed @ w["gate"]
        h = gate / (1 + np.exp(-gate)) * (normed @ w["up"])
        return {"normed": normed, "h": h, "y": h @ w["down"]}


@pytest.fixture(scope="module")
def mlp(tmp_path_factory, quantc_cli, quant_opt):
    model = GatedMLP(tmp_path_factory.mktemp("mlp"))
    model.graph = quantc_cli.ok("compile", model.path, "--emit=import")

    number = itertools.count()

    def run(*passes, x=model.x):
        """The result after passes on functions, and the graph they leave."""
        steps = ",qnn-fold-constants,".join(f"func.func({p})" for p in passes)
        pipeline = f"builtin.module({steps},qnn-optimize)"
        text = quant_opt.ok(f"--pass-pipeline={pipeline}", "--mlir-print-debuginfo", input=model.graph)
        # A loader that knows a path does not look at the file again.
        stem = model.folder / f"out{next(number)}"
        source, library = stem.with_suffix(".mlir"), stem.with_suffix(".so")
        source.write_text(text)
        quantc_cli.ok("compile", source, "-o", library)
        return quantc.load(str(library)).run({"x": x})[0], text

    model.run = run
    return model


def error_of(y, expected):
    return float(np.square(y - expected).mean() / np.square(expected).mean())


@pytest.mark.parametrize("alpha", [0.25, 0.75])
def test_smooth_quant_leaves_the_float_graph(mlp, alpha):
    expected = mlp.run_all(mlp.x)["y"]
    y, _ = mlp.run(f"qnn-smooth-quant{{alpha={alpha} statistics={mlp.statistics}}}")
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


def test_smooth_quant_reaches_through_the_gate(mlp):
    """8-bit activations lose less where both outliers were moved."""
    expected = mlp.run_all(mlp.x)["y"]
    naive, _ = mlp.run(f"qnn-quantize{{recipe=w8a8 statistics={mlp.statistics}}}")
    smooth = f"qnn-smooth-quant{{alpha=0.5 statistics={mlp.statistics}}}"
    # The scales that the pass takes, from the definition.
    values = mlp.run_all(mlp.calibration)
    w = mlp.weights
    scales = {}
    for name, matrices in (("normed", (w["gate"], w["up"])), ("h", (w["down"],))):
        largest = np.max([np.abs(m).max(1) for m in matrices], 0)
        scales[name] = np.sqrt(np.abs(values[name]).max(0) / largest)
        values[name] = [values[name] / scales[name]]
        assert scales[name].max() > 3 * np.median(scales[name])
    divided = mlp.folder / "divided.npz"
    write_statistics(divided, {name: values[name] for name in scales})
    y, _ = mlp.run(smooth, f"qnn-quantize{{recipe=w8a8 statistics={divided}}}")
    assert error_of(y, expected) < 0.7 * error_of(naive, expected)


def test_awq_leaves_the_float_graph(mlp):
    expected = mlp.run_all(mlp.x)["y"]
    y, text = mlp.run(f"qnn-awq{{recipe=w3-asym-g32 statistics={mlp.statistics}}}")
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_gptq_loses_less_than_nearest(mlp, bits):
    expected = mlp.run_all(mlp.x)["y"]
    errors = {}
    for method in ("", "-gptq"):
        recipe = f"w{bits}a16{method}-asym-g64"
        y, text = mlp.run(f"qnn-quantize{{recipe={recipe} statistics={mlp.statistics}}}")
        assert f"tensor<{K}x{HIDDEN}xi{bits}>" in text
        errors[method] = error_of(y, expected)
    assert errors["-gptq"] <= 0.8 * errors[""]


def clip_by_definition(w, gram, group, bits, sweeps):
    """A column with the range of each group that makes e^T G e least: alone at first, then for what the others lose."""
    top, factors = 2**bits - 1, 1 - 0.5 * np.arange(21) / 20
    errors, ends = np.zeros(len(w)), np.ones((len(w) // group, 2))

    def lose(part, low, high):
        low, high = min(part.min(), 0) * low, max(part.max(), 0) * high
        step = (high - low) / top
        zero = np.clip(np.rint(-low / step), 0, top)
        return (np.clip(np.rint(part / step) + zero, 0, top) - zero) * step - part

    for sweep in range(sweeps + 1):
        for g, end in enumerate(ends):
            rows, least = slice(g * group, (g + 1) * group), np.inf
            own = gram[rows, rows]
            slope = gram[rows] @ errors - own @ errors[rows] if sweep else 0

            def attempt(low, high):
                nonlocal least
                e = lose(w[rows], low, high)
                if (cost := e @ (own @ e + 2 * slope)) < least:
                    least, errors[rows], end[:] = cost, e, (low, high)

            if sweep:
                attempt(*end)
            for f in factors:
                attempt(f, end[1] if sweep else f)
                if sweep:
                    attempt(end[0], f)
    return w + errors


@pytest.mark.parametrize("sweeps", [0, 1, 2])
def test_clipping_is_what_its_definition_says(sweeps):
    rng = np.random.default_rng(7)
    w = rng.standard_normal((96, 6)).astype(np.float32)
    x = rng.standard_normal((400, 96)) @ (rng.standard_normal((96, 96)) * np.exp(-np.arange(96) / 12)[:, None])
    gram = x.T @ x
    recipe = quantc.Recipe(base="w3-clip-asym-g32", weights=quantc.Weights(clip_sweeps=sweeps))
    found = quantc.quantize_matrix(w, recipe, gram, len(x)).values
    # 1.5 times the inputs there are for a token are added to the diagonal.
    damped = gram + np.diag(np.full(96, 1.5 * 96 / 400 * np.diag(gram).mean()))
    for column in range(6):
        expected = clip_by_definition(w[:, column].astype(np.float64), damped, 32, 3, sweeps)
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-4, atol=1e-5)


def test_clipping_looks_at_data_if_there_are_any(mlp):
    """As the function does that is given the Gram matrix; without data, the weights decide."""
    x = np.random.default_rng(1).standard_normal((1, K)).astype(np.float32)
    calibration = {"x": mlp.calibration[None].reshape(-1, 100, K)}
    w, results = {**mlp.weights}, []
    for given in (None, calibration):
        values = mlp.run_all(mlp.calibration)
        for name, inputs in (("gate", "normed"), ("up", "normed"), ("down", "h")):
            x64 = values[inputs].astype(np.float64)
            gram = None if given is None else x64.T @ x64
            w[name] = quantc.quantize_matrix(mlp.weights[name], "w3-clip-asym-g32", gram, len(x64)).values
        model = quantc.compile(str(mlp.path), quantize="w3-clip-asym-g32", calibration=given)
        results.append(model.run({"x": x})[0])
        expected = mlp.run_all(x, w)["y"]
        assert np.abs(results[-1] - expected).max() <= 1e-4 * np.abs(expected).max()
    assert np.abs(results[0] - results[1]).max() >= 1e-2 * np.abs(expected).max()


def round_to(w, dtype, group):
    """The nearest numbers of a small float type, scaled by the largest |w|."""
    import ml_dtypes

    w = w.reshape(-1, group, w.shape[1])
    scale = np.abs(w).max(1, keepdims=True) / np.float32(ml_dtypes.finfo(dtype).max)
    return ((w / scale).astype(dtype).astype(np.float32) * scale).reshape(-1, w.shape[2])


def round_to_nf4(w, group):
    # NUMERICS: the table of com.microsoft.MatMulBnb4.
    table = np.array(
        [-1, -0.69619, -0.52507, -0.39492, -0.28444, -0.18477, -0.09105, 0]
        + [0.07958, 0.16093, 0.24611, 0.33792, 0.44071, 0.56262, 0.72296, 1],
        np.float32,
    )
    w = w.reshape(-1, group, w.shape[1])
    scale = np.abs(w).max(1, keepdims=True)
    codes = np.abs((w / scale)[..., None] - table).argmin(-1)
    return (table[codes] * scale).reshape(-1, w.shape[2])


def references():
    import ml_dtypes

    return {
        "nf4-g64": lambda w: round_to_nf4(w, 64),
        "f8e4m3": lambda w: round_to(w, ml_dtypes.float8_e4m3fn, len(w)),
        "f8e5m2": lambda w: round_to(w, ml_dtypes.float8_e5m2, len(w)),
        "f4e2m1-g32": lambda w: round_to(w, ml_dtypes.float4_e2m1fn, 32),
    }


@pytest.mark.parametrize("recipe", ["nf4-g64", "f8e4m3", "f8e5m2", "f4e2m1-g32"])
def test_formats(mlp, recipe):
    """One row and many take different ways through the weights."""
    quantize = references()[recipe]
    expected = mlp.run_all(mlp.x, {n: w if n == "norm" else quantize(w) for n, w in mlp.weights.items()})["y"]
    for rows in (1, len(mlp.x)):
        y, _ = mlp.run(f"qnn-quantize{{recipe={recipe}}}", x=mlp.x[:rows])
        # A few weights lie so near to a border that they round either way.
        assert np.abs(y - expected[:rows]).max() <= 2e-3 * np.abs(expected).max()
    assert error_of(expected, mlp.run_all(mlp.x)["y"]) > 1e-4


def test_hqq_needs_no_data(mlp):
    expected = mlp.run_all(mlp.x)["y"]
    nearest, _ = mlp.run("qnn-quantize{recipe=w3-asym-g64}")
    y, _ = mlp.run("qnn-quantize{recipe=w3-hqq-g64}")
    assert error_of(y, expected) <= 1.1 * error_of(nearest, expected)


def test_gptq_without_statistics_is_an_error(mlp, quant_opt):
    done = quant_opt(
        "--pass-pipeline=builtin.module(func.func(qnn-quantize{recipe=w4a16-gptq-g64}))", input=mlp.graph
    )
    assert done.returncode != 0
    assert "the recipe needs statistics of 2 values" in done.stderr
