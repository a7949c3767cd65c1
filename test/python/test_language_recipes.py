"""Low-bit recipes on a trained language model, from `quantize=` to logits, against ONNX Runtime with numpy's weights."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import quantc
from quantc import language

ort = pytest.importorskip("onnxruntime")

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "lm"
pytestmark = pytest.mark.skipif(not (FOLDER / "model.onnx").exists(), reason="needs the language model")

WINDOW = 128


@pytest.fixture(scope="module")
def model():
    return onnx.load(FOLDER / "model.onnx")


@pytest.fixture(scope="module")
def tokens():
    return np.load(FOLDER / "test_tokens.npy")


@pytest.fixture(scope="module")
def calibration(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibration")
    ids = np.load(FOLDER / "calib_tokens.npy")
    for i in range(16):
        np.savez(folder / f"{i:02}.npz", input_ids=ids[i * 256 : (i + 1) * 256].astype(np.int64)[None])
    return folder


def substitute(model, recipe):
    """The model with what a recipe makes of each constant matrix, as floats."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    matrices = {node.input[1] for node in model.graph.node if node.op_type == "MatMul"}
    for tensor in copy.graph.initializer:
        if tensor.name in matrices:
            values = quantc.quantize_matrix(numpy_helper.to_array(tensor), recipe).values
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return copy


@pytest.mark.parametrize("recipe", ["mxfp4", "mxfp8", "nvfp4", "fp8", "nf4-g64-dq", "q4_k", "q6_k", "w5-asym-g32"])
def test_recipe_gives_the_weights_it_names(model, tokens, recipe, tmp_path):
    expected = ort.InferenceSession(
        substitute(model, recipe).SerializeToString(), providers=["CPUExecutionProvider"]
    ).run(None, {"input_ids": tokens[None, :WINDOW].astype(np.int64)})[0]
    # The tables of embeddings and positions stay as they are.
    text = json.dumps({"base": recipe, "skip": ["embed", "cos", "sin"]})
    library = quantc.compile(str(FOLDER / "model.onnx"), output=str(tmp_path / "m.so"), quantize=text)
    found = library.run({"input_ids": tokens[None, :WINDOW].astype(np.int64)})[0]
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_powers_of_two_by_importance(tokens, calibration, tmp_path):
    """One exponent more or less, as the inputs' squares say, loses less than the standard's choice."""
    perplexities = [
        language.evaluate(
            quantc.compile(
                str(FOLDER / "model.onnx"), output=str(tmp_path / f"{i}.so"), quantize=recipe, calibration=str(calibration)
            ),
            tokens,
            limit=8,
        ).perplexity
        for i, recipe in enumerate(("mxfp4", "mxfp4-importance"))
    ]
    assert perplexities[1] < perplexities[0]


def test_scaled_and_clipped_weights(tokens, calibration, tmp_path):
    """AWQ as its authors have it loses less than rounding to the nearest, and in a library what it loses in ONNX Runtime."""

    def run(path):
        settings = ort.SessionOptions()
        # With more, it rounds the inputs of products with 4-bit weights to 8 bits.
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        session = ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        return lambda ids: session.run(None, {"input_ids": ids})[0][0]

    path, recipe = str(FOLDER / "model.onnx"), "w4-awq-clip-g64"
    model = quantc.compile(path, output=str(tmp_path / "m.so"), quantize=recipe, calibration=str(calibration))
    quantc.export(path, tmp_path / "m.onnx", quantize=recipe, calibration=str(calibration), standard_ops=True)
    same = language.evaluate(model, tokens, against=run(tmp_path / "m.onnx"), limit=4)
    assert same.kl_divergence <= 1e-7
    assert same.top1_agreement >= 0.999
    nearest = quantc.compile(path, output=str(tmp_path / "nearest.so"), quantize="w4-g64")
    losses = [language.evaluate(m, tokens, against=run(path), limit=8).kl_divergence for m in (model, nearest)]
    assert losses[0] < losses[1]


def test_rotation_keeps_the_float_model(tokens, quantc_cli, quant_opt, tmp_path):
    """Six layers, with rotations of the residual stream and at the inputs of o and down."""
    graph = quantc_cli.ok("compile", FOLDER / "model.onnx", "--emit=import")
    passes = "qnn-prepare-quantization,func.func(qnn-rotate),qnn-fold-constants,canonicalize"
    text = quant_opt.ok(f"--pass-pipeline=builtin.module({passes})", input=graph)
    assert text.count("qnn.keep_float") == 24
    (tmp_path / "m.mlir").write_text(text)
    quantc_cli.ok("compile", tmp_path / "m.mlir", "-o", tmp_path / "m.so")
    inputs = {"input_ids": tokens[None, :WINDOW].astype(np.int64)}
    y = quantc.load(str(tmp_path / "m.so")).run(inputs)[0]
    session = ort.InferenceSession(str(FOLDER / "model.onnx"), providers=["CPUExecutionProvider"])
    expected = session.run(None, inputs)[0]
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


def test_static_activations_lose_less_smoothed_or_split(tokens, calibration, tmp_path):
    statistics = tmp_path / "s.npz"
    quantc.calibrate(str(FOLDER / "model.onnx"), str(calibration), str(statistics))
    perplexities = {}
    for recipe in ("w8a8", "w8a8-smoothquant", "w8a8-llmint8"):
        library = str(tmp_path / f"{recipe}.so")
        model = quantc.compile(str(FOLDER / "model.onnx"), output=library, quantize=recipe, stats=str(statistics))
        perplexities[recipe] = language.evaluate(model, tokens, limit=12).perplexity
    assert perplexities["w8a8-smoothquant"] < perplexities["w8a8"]
    assert perplexities["w8a8-llmint8"] < perplexities["w8a8"]


def test_tokens_of_eight_bits(tokens, tmp_path):
    """Weights in groups lose hardly more with tokens of 8 bits than with floats."""
    perplexities = [
        language.evaluate(
            quantc.compile(str(FOLDER / "model.onnx"), output=str(tmp_path / f"{recipe}.so"), quantize=recipe),
            tokens,
            limit=8,
        ).perplexity
        for recipe in ("w4-sym-g64", "w4a8-sym-g64")
    ]
    assert abs(perplexities[1] / perplexities[0] - 1) < 0.01


@pytest.mark.parametrize("form", ["w4", "w3"])
def test_errors_on_tokens_not_seen(model, tokens, form):
    """GPTQ and clipping lose a fifth less than rounding to the nearest at least, behind outliers (`down`), too."""
    names = [f"layers.1.{part}" for part in ("q", "o", "gate")] + ["layers.2.down"]
    products = {node.input[1]: node.input[0] for node in model.graph.node if node.op_type == "MatMul"}
    products = {f"{name}.weight": products[f"{name}.weight"] for name in names}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in products.values())
    session = ort.InferenceSession(copy.SerializeToString(), providers=["CPUExecutionProvider"])

    def collect(ids):
        grams = dict.fromkeys(products, 0.0)
        for start in range(0, 16 * 256, 256):
            for name, x in zip(products, session.run(None, {"input_ids": ids[None, start : start + 256].astype(np.int64)})):
                x = x.reshape(-1, x.shape[-1]).astype(np.float64)
                grams[name] = grams[name] + x.T @ x
        return grams

    seen, unseen = collect(np.load(FOLDER / "calib_tokens.npy")), collect(tokens)
    for name in products:
        weights = numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == name))
        errors = {}
        for method in ("", "-gptq", "-clip"):
            values = quantc.quantize_matrix(weights, f"{form}{method}-asym-g64", seen[name], 16 * 256).values
            error = values.astype(np.float64) - weights
            errors[method] = np.einsum("ij,ij->", error, unseen[name] @ error)
        assert errors["-gptq"] <= 0.8 * errors[""], name
        assert errors["-clip"] <= 0.8 * errors[""], name
