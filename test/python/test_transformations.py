"""Rotations, outliers split off, searched scales and sequential calibration on small graphs."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc

D, HIDDEN, VOCABULARY = 48, 64, 50


class Block:
    """Embedding, two gated layers x + down(sigmoid(gate(n)) · up(n)), a head; RMS norms of elementary ops."""

    def __init__(self, path, seed=0):
        rng = np.random.default_rng(seed)
        self.weights = {"table": rng.standard_normal((VOCABULARY, D))}
        # A few channels stand out in the stream, and in the hidden values.
        self.weights["table"][:, [3, 17]] *= 20
        nodes = [helper.make_node("Gather", ["table", "ids"], ["x0"], name="embed")]
        for i in range(2):
            nodes += self.make_norm(f"x{i}", f"n{i}")
            self.weights[f"g{i}"] = np.exp(0.5 * rng.standard_normal(D))
            self.weights[f"up{i}"] = rng.standard_normal((D, HIDDEN)) / np.sqrt(D)
            self.weights[f"up{i}"][:, 5] *= 60
            self.weights[f"gate{i}"] = rng.standard_normal((D, HIDDEN)) / np.sqrt(D)
            self.weights[f"down{i}"] = rng.standard_normal((HIDDEN, D)) / np.sqrt(HIDDEN)
            nodes += [
                helper.make_node("Mul", [f"n{i}", f"g{i}"], [f"m{i}"]),
                helper.make_node("MatMul", [f"m{i}", f"up{i}"], [f"u{i}"], name=f"up{i}"),
                helper.make_node("MatMul", [f"m{i}", f"gate{i}"], [f"g{i}_out"], name=f"gate{i}"),
                helper.make_node("Sigmoid", [f"g{i}_out"], [f"s{i}"]),
                helper.make_node("Mul", [f"s{i}", f"u{i}"], [f"h{i}"]),
                helper.make_node("MatMul", [f"h{i}", f"down{i}"], [f"d{i}"], name=f"down{i}"),
                helper.make_node("Add", [f"x{i}", f"d{i}"], [f"x{i + 1}"]),
            ]
        self.weights["head"] = rng.standard_normal((D, 20)) / np.sqrt(D)
        nodes += self.make_norm("x2", "n2")
        nodes.append(helper.make_node("MatMul", ["n2", "head"], ["y"], name="head"))
        self.weights = {name: w.astype(np.float32) for name, w in self.weights.items()}
        constants = [numpy_helper.from_array(w, name) for name, w in self.weights.items()]
        constants.append(numpy_helper.from_array(np.float32(1e-5), "eps"))
        constants.append(numpy_helper.from_array(np.int64([-1]), "last"))
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "n"])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "n", 20])],
            constants,
        )
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
        self.path = str(path)
        self.ids = rng.integers(0, VOCABULARY, (1, 40))
        self.calibration = path.parent / "calibration.npz"
        np.savez(self.calibration, ids=rng.integers(0, VOCABULARY, (6, 1, 60)))

    @staticmethod
    def make_norm(x, y):
        return [
            helper.make_node("Mul", [x, x], [y + "sq"]),
            helper.make_node("ReduceMean", [y + "sq", "last"], [y + "mean"], keepdims=1),
            helper.make_node("Add", [y + "mean", "eps"], [y + "eps"]),
            helper.make_node("Sqrt", [y + "eps"], [y + "root"]),
            helper.make_node("Div", [x, y + "root"], [y]),
        ]

    @staticmethod
    def normalize(x):
        return x / np.sqrt(np.square(x).mean(-1, keepdims=True) + np.float32(1e-5))

    def get_inputs(self, i, x, w):
        """What the matrices of a layer are multiplied with."""
        n = self.normalize(x) * w[f"g{i}"]
        return n, (n @ w[f"up{i}"]) / (1 + np.exp(-n @ w[f"gate{i}"]))

    def run_layer(self, i, x, w):
        return x + self.get_inputs(i, x, w)[1] @ w[f"down{i}"]

    def run(self, weights=None):
        w = weights or self.weights
        x = w["table"][self.ids]
        for i in range(2):
            x = self.run_layer(i, x, w)
        return self.normalize(x) @ w["head"]


@pytest.fixture(scope="module")
def block(tmp_path_factory, quantc_cli):
    block = Block(tmp_path_factory.mktemp("block") / "block.onnx")
    block.graph = quantc_cli.ok("compile", block.path, "--emit=import")
    return block


def error_of(y, expected):
    return float(np.square(y - expected).mean() / np.square(expected).mean())


def compile_and_run(block, recipe, calibrate=True):
    options = {"calibration": str(block.calibration)} if calibrate else {}
    return quantc.compile(block.path, quantize=recipe, **options).run({"ids": block.ids})[0]


def of_products(recipe, **keys):
    """A recipe for the inputs of products only: sums and embeddings stay floats."""
    return json.dumps({"base": recipe, "skip": ["embed", "head"], "activations": {"everywhere": False}, **keys})


def run_passes(block, quant_opt, quantc_cli, folder, passes):
    text = quant_opt.ok(
        f"--pass-pipeline=builtin.module(qnn-prepare-quantization,{passes},qnn-fold-constants,canonicalize)",
        "--mlir-print-debuginfo",
        input=block.graph,
    )
    (folder / "m.mlir").write_text(text)
    quantc_cli.ok("compile", folder / "m.mlir", "-o", folder / "m.so")
    return quantc.load(str(folder / "m.so")).run({"ids": block.ids})[0], text


# --- rotation ---------------------------------------------------------------


@pytest.mark.parametrize("online", ["true", "false"])
@pytest.mark.parametrize("seed", [1, 7])
def test_rotation_leaves_the_float_graph(block, quant_opt, quantc_cli, tmp_path, online, seed):
    y, text = run_passes(
        block, quant_opt, quantc_cli, tmp_path, f"func.func(qnn-rotate{{online={online} seed={seed}}})"
    )
    expected = block.run()
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()
    # Two values, by two small products each.
    assert text.count("qnn.keep_float") == (4 if online == "true" else 0)


def test_rotation_spreads_outliers(block):
    """8-bit activations with one scale lose less, for all channels are of a size."""
    expected = block.run()
    plain, rotated = (error_of(compile_and_run(block, r), expected) for r in ("w8a8", "w8a8-rotate"))
    assert rotated < 0.5 * plain


def test_rotation_without_data(block):
    """Weights that have no outliers lose about what they did."""
    expected = block.run()
    plain, rotated = (error_of(compile_and_run(block, r, False), expected) for r in ("w4-sym", "w4-sym-rotate"))
    assert plain / 2 < rotated < 2 * plain


def test_statistics_from_before_a_rotation_are_refused(block, tmp_path):
    quantc.calibrate(block.path, str(block.calibration), str(tmp_path / "s.npz"))
    with pytest.raises(quantc.CompileError, match="model"):
        quantc.compile(block.path, quantize="w8a8-rotate", stats=str(tmp_path / "s.npz"))


# --- outliers ---------------------------------------------------------------


def test_split_outliers_leaves_the_float_graph(block, quant_opt, quantc_cli, tmp_path):
    quantc.calibrate(block.path, str(block.calibration), str(tmp_path / "s.npz"))
    y, text = run_passes(
        block, quant_opt, quantc_cli, tmp_path, f"func.func(qnn-split-outliers{{statistics={tmp_path / 's.npz'}}})"
    )
    expected = block.run()
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()
    assert text.count("qnn.keep_float") >= 2
    # The one hidden channel whose weights are 30 times the others'.
    assert "tensor<1x?x1xf32>, tensor<1x48xf32>" in text


def test_split_outliers_loses_less(block):
    expected = block.run()
    for recipe in ("w8a8", "w8a8-dynamic", "w8a8-dynamic-token"):
        plain, split = (error_of(compile_and_run(block, of_products(r)), expected) for r in (recipe, recipe + "-llmint8"))
        assert split < 0.5 * plain


# --- scales -----------------------------------------------------------------


def test_searched_alpha_is_no_worse_than_any(block):
    expected = block.run()

    def error(alpha):
        transformation = {"method": "smoothquant"} if alpha is None else {"method": "smoothquant", "alpha": alpha}
        return error_of(compile_and_run(block, of_products("w8a8", transformations=[transformation])), expected)

    found = error(None)
    assert found < 0.7 * error_of(compile_and_run(block, of_products("w8a8")), expected)
    # The estimate counts on errors being independent.
    assert found < 1.25 * min(error(alpha) for alpha in (0.25, 0.5, 0.75))


@pytest.mark.parametrize("recipe", ["w4-awq-asym-g16", "w3-awq-asym-g16", "w3-awq-clip-asym-g16"])
def test_awq_is_no_worse_than_nearest(block, recipe):
    expected = block.run()
    plain = error_of(compile_and_run(block, recipe.replace("-awq", "").replace("-clip", "")), expected)
    assert error_of(compile_and_run(block, recipe), expected) <= plain


@pytest.mark.parametrize("first", ["awq", "smoothquant"])
def test_then_gptq(block, first):
    """Both together lose no more than the better of the two, by 2 %."""
    expected = block.run()
    base = "w3-{}asym-g16" if first == "awq" else "w3a8-{}asym-channel"

    def error(parts):
        return error_of(compile_and_run(block, base.format(parts)), expected)

    assert error(f"{first}-gptq-") <= 1.02 * min(error(f"{first}-"), error("gptq-"))


# --- sequential -------------------------------------------------------------


def test_sequential_calibration_sees_the_quantized_prefix(block):
    """Each matrix is what GPTQ makes of it for the inputs that quantized matrices before it give."""
    recipe = "w3-gptq-asym-g16"
    ids = np.load(block.calibration)["ids"].reshape(-1)

    def quantize(sequential):
        w = dict(block.weights)
        x = exact = w["table"][ids]
        for i in range(2):
            for names, inputs in (((f"up{i}", f"gate{i}"), 0), ((f"down{i}",), 1)):
                # What the matrices see: in the graph as it was, or as it is by now.
                state, with_weights = (x, w) if sequential else (exact, block.weights)
                seen = block.get_inputs(i, state, with_weights)[inputs].astype(np.float64)
                for name in names:
                    w[name] = quantc.quantize_matrix(
                        block.weights[name], recipe, seen.T @ seen, tokens=len(seen)
                    ).values
            x = block.run_layer(i, x, w)
            exact = block.run_layer(i, exact, block.weights)
        return block.run(w)

    for sequential, name in ((False, recipe), (True, recipe + "-sequential")):
        y = compile_and_run(block, json.dumps({"base": name, "skip": ["embed", "head"]}))
        found, other = (error_of(y, quantize(which)) for which in (sequential, not sequential))
        # Sums in another order make GPTQ round some numbers the other way.
        assert found < 0.1 * other


def test_sequential_needs_data(block, tmp_path):
    quantc.calibrate(block.path, str(block.calibration), str(tmp_path / "s.npz"))
    with pytest.raises(quantc.CompileError, match="sequential"):
        quantc.compile(block.path, quantize="w8a8-sequential", stats=str(tmp_path / "s.npz"))


def test_sequential_static_activations(block):
    expected = block.run()
    once, sequential = (error_of(compile_and_run(block, r), expected) for r in ("w8a8", "w8a8-sequential"))
    assert sequential < 1.2 * once


# --- edges ------------------------------------------------------------------


@pytest.mark.parametrize(
    "recipe", ["w4-gptq-g16", "w4-awq-g16", "w4-g16-importance", "w8a8-smoothquant", "w8a8-llmint8", "w8a8-rotate"]
)
def test_one_token_of_calibration(block, tmp_path, recipe):
    np.savez(tmp_path / "one.npz", ids=np.zeros((1, 1, 1), np.int64))
    y = quantc.compile(block.path, quantize=recipe, calibration=str(tmp_path / "one.npz")).run({"ids": block.ids})[0]
    assert np.isfinite(y).all()
    assert error_of(y, block.run()) < 1
