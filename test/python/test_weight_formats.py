"""Formats of low-bit weights: codes and scales against numpy, and the libraries that recipes give."""

import gguf
import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc
from quantc import quantize_matrix


def make_weights(k, n, seed=0):
    rng = np.random.default_rng(seed)
    w = rng.standard_t(5, (k, n)).astype(np.float32) * np.exp(rng.standard_normal(n)).astype(np.float32)
    w[:, 0] = 0  # A channel that is always zero.
    return w


def group(w, size):
    return w.reshape(-1, size, w.shape[1])


# --- references -------------------------------------------------------------


def integers(w, bits, scheme, size):
    """Round to nearest with the definitions of docs/LanguageModels.md."""
    size = size or len(w)
    result = np.empty_like(w)
    for first in range(0, len(w), size):
        part = w[first : first + size].astype(np.float64)
        if scheme == "asym":
            low, high = np.minimum(part.min(0), 0), np.maximum(part.max(0), 0)
            scale = ((high - low) / (2**bits - 1)).astype(np.float32)
            scale[scale == 0] = 1
            zero = np.rint(-(2 ** (bits - 1)) - low / scale)
            code = np.clip(np.rint(part.astype(np.float32) / scale) + zero, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        else:
            steps = 2**bits - 1 if scheme == "sym" else 2**bits - 2
            scale = (2 * np.abs(part).max(0) / steps).astype(np.float32)
            scale[scale == 0] = 1
            zero = 0
            lowest = -(2 ** (bits - 1)) + (scheme == "restricted")
            code = np.clip(np.rint(part.astype(np.float32) / scale), lowest, 2 ** (bits - 1) - 1)
        result[first : first + size] = ((code - zero) * scale).astype(np.float32)
    return result


def microscaling(w, element):
    """OCP Microscaling: E8M0 scales by groups of 32, elements that saturate."""
    info = ml_dtypes.finfo(element)
    blocks = group(w, 32)
    largest = np.abs(blocks).max(1, keepdims=True)
    with np.errstate(divide="ignore"):
        exponent = np.floor(np.log2(largest)) - np.floor(np.log2(float(info.max)))
    scale = np.where(largest > 0, 2.0**exponent, 1).astype(np.float32)
    scaled = np.clip(blocks / scale, -float(info.max), float(info.max))
    return (scaled.astype(element).astype(np.float32) * scale).reshape(w.shape)


def nvfp4(w):
    blocks = group(w, 16)
    tensor = np.float32(np.float32(np.abs(w).max()) / np.float32(6) / np.float32(448))
    scale = (np.abs(blocks).max(1, keepdims=True) / np.float32(6) / tensor).astype(ml_dtypes.float8_e4m3fn)
    scale = scale.astype(np.float32) * tensor
    safe = np.where(scale == 0, 1, scale)
    scaled = np.clip(np.where(scale == 0, 0, blocks / safe), -6, 6)
    return (scaled.astype(ml_dtypes.float4_e2m1fn).astype(np.float32) * scale).reshape(w.shape)


# --- tests ------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("scheme", ["sym", "asym", "restricted"])
@pytest.mark.parametrize("size", [0, 16, 32, 64, 128, 256])
def test_integers(bits, scheme, size):
    w = make_weights(512, 6, bits)
    found = quantize_matrix(w, f"w{bits}-{scheme}" + (f"-g{size}" if size else "-channel"))
    np.testing.assert_array_equal(found.values, integers(w, bits, scheme, size))


def test_groups_that_do_not_divide():
    w = make_weights(100, 3)
    np.testing.assert_array_equal(quantize_matrix(w, "w4-asym-g64").values, integers(w, 4, "asym", 64))


@pytest.mark.parametrize(
    "recipe, element",
    [
        ("mxfp4", ml_dtypes.float4_e2m1fn),
        ("mxfp8", ml_dtypes.float8_e4m3fn),
        ("mxfp8e5m2", ml_dtypes.float8_e5m2),
    ],
)
def test_microscaling(recipe, element):
    w = make_weights(256, 40)
    found = quantize_matrix(w, recipe)
    np.testing.assert_array_equal(found.values, microscaling(w, element))
    assert (np.frexp(found.scales)[0] == 0.5).all()


def test_nvfp4():
    w = make_weights(256, 40)
    np.testing.assert_allclose(quantize_matrix(w, "nvfp4").values, nvfp4(w), rtol=1e-6)


def pack_q4_k(found, k):
    """The bytes of llama.cpp's block_q4_K, [n][super-block][144]."""
    rows = []
    for column in range(found.codes.shape[1]):
        for s in range(k // 256):
            sub = slice(8 * s, 8 * s + 8)
            scale, low = found.scale_codes[sub, column].astype(int), found.offset_codes[sub, column].astype(int)
            packed = [scale[j] | (scale[j + 4] >> 4) << 6 for j in range(4)]
            packed += [low[j] | (low[j + 4] >> 4) << 6 for j in range(4)]
            packed += [(scale[j + 4] & 15) | (low[j + 4] & 15) << 4 for j in range(4)]
            codes = (found.codes[256 * s : 256 * s + 256, column].astype(int) + 8).reshape(4, 2, 32)
            head = np.array([found.scale_factors[s, column], found.offset_factors[s, column]], np.float16)
            body = np.array(packed, np.uint8).tobytes() + (codes[:, 0] | codes[:, 1] << 4).astype(np.uint8).tobytes()
            rows.append(np.frombuffer(head.tobytes() + body, np.uint8))
    return np.stack(rows).reshape(found.codes.shape[1], -1)


def pack_q6_k(found, k):
    """The bytes of llama.cpp's block_q6_K, [n][super-block][210]."""
    rows = []
    for column in range(found.codes.shape[1]):
        for s in range(k // 256):
            # [half][quarter][32]
            codes = (found.codes[256 * s : 256 * s + 256, column].astype(int) + 32).reshape(2, 4, 32)
            low = np.stack([codes[:, q] & 15 | (codes[:, q + 2] & 15) << 4 for q in (0, 1)], 1)
            high = sum((codes[:, q] >> 4) << 2 * q for q in range(4))
            scales = found.scale_codes[16 * s : 16 * s + 16, column].astype(np.int8)
            factor = np.array([found.scale_factors[s, column]], np.float16)
            parts = [low.astype(np.uint8), high.astype(np.uint8), scales, factor]
            rows.append(np.frombuffer(b"".join(p.tobytes() for p in parts), np.uint8))
    return np.stack(rows).reshape(found.codes.shape[1], -1)


@pytest.mark.parametrize(
    "recipe, pack, kind",
    [
        ("q4_k", pack_q4_k, gguf.GGMLQuantizationType.Q4_K),
        ("q6_k", pack_q6_k, gguf.GGMLQuantizationType.Q6_K),
        ("q4_k-importance", pack_q4_k, gguf.GGMLQuantizationType.Q4_K),
        ("q6_k-importance", pack_q6_k, gguf.GGMLQuantizationType.Q6_K),
    ],
)
def test_super_blocks_are_llama_cpps(recipe, pack, kind):
    """What gguf reads from the packed codes and scales is what we say that they are worth."""
    w = make_weights(512, 5)
    found = quantize_matrix(w, recipe)
    expected = gguf.dequantize(pack(found, 512), kind).T
    np.testing.assert_allclose(found.values, expected, atol=2e-6 * np.abs(w).max())
    bound = 0.2 if recipe.startswith("q4") else 0.05
    error = np.linalg.norm(found.values - w) / np.linalg.norm(w)
    assert 0 < error < bound
    assert not found.values[:, 0].any()


def test_a_short_super_block():
    w = make_weights(384, 4)
    for recipe, groups in (("q4_k", 12), ("q6_k", 24)):
        found = quantize_matrix(w, recipe)
        assert found.scale_codes.shape == (groups, 4) and found.scale_factors.shape == (2, 4)


def test_double_quantization():
    w = make_weights(512, 8)
    plain, found = quantize_matrix(w, "w4-sym-g64"), quantize_matrix(w, "w4-sym-g64-dq")
    factor = np.abs(plain.scales).max(0, keepdims=True) / np.float32(127)
    # Groups of zeros have no part in it.
    factor[0, 0] = 1
    expected = np.maximum(np.rint(plain.scales / factor), 1) * factor
    np.testing.assert_allclose(found.scales[:, 1:], expected[:, 1:], rtol=1e-6)
    assert not found.values[:, 0].any()
    np.testing.assert_allclose(
        found.values[:, 1:],
        (np.clip(np.rint(group(w, 64) / expected[:, None]), -8, 7) * expected[:, None]).reshape(w.shape)[:, 1:],
        rtol=1e-5,
    )


@pytest.mark.parametrize("recipe", ["w4-sym-g64", "w3-asym-g64", "w2-asym-g32", "nf4-g64", "nvfp4", "mxfp4", "q4_k"])
def test_importance(recipe):
    """The weighted error falls, of important inputs most."""
    w = make_weights(256, 32)
    squares = np.where(np.arange(256) % 8 == 3, 100.0, 1.0)

    def error(values):
        return float((squares[:, None] * np.square(values - w)).sum())

    plain = error(quantize_matrix(w, recipe).values)
    unweighted = error(quantize_matrix(w, recipe + "-importance").values)
    weighted = error(quantize_matrix(w, recipe + "-importance", squares).values)
    assert weighted < unweighted < plain * 1.05
    assert weighted < 0.95 * plain


def test_importance_of_one_input_is_exact():
    """With all weight on one input, its numbers are met, but those that no clipping keeps from rounding to 0."""
    w = make_weights(64, 16)
    squares = np.zeros(64)
    squares[9] = 1
    found = quantize_matrix(w, "w4-sym-g64-importance", squares)
    met = found.codes[9] != 0
    assert met.sum() > 10
    np.testing.assert_allclose(found.values[9, met], w[9, met], rtol=1e-6)


@pytest.mark.parametrize(
    "recipe, why",
    [
        ("w4-g64-dq-channel", "granularity must be group"),
        ("q4_k-g48", "group-size must divide that"),
        ("q4_k-hqq", "super-blocks store them in 6 bits"),
        ("nvfp4-asym", "only integers have a zero point"),
    ],
)
def test_impossible_recipes(recipe, why):
    with pytest.raises(ValueError, match=why):
        quantize_matrix(make_weights(256, 2), recipe)


def make_product(w, folder, rows="m"):
    """A model that multiplies its input by a constant, and adds to the result."""
    k, n = w.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Add", ["p", "b"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, k])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, n])],
        [numpy_helper.from_array(w, "w"), numpy_helper.from_array(make_bias(n), "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, folder / "m.onnx")
    return str(folder / "m.onnx")


def make_bias(n):
    return np.linspace(-1, 1, n).astype(np.float32)


@pytest.mark.parametrize(
    "recipe",
    ["mxfp4", "mxfp8", "mxfp8e5m2", "nvfp4", "fp8", "f8e5m2-g64", "fp4-g32", "nf4-g64-dq", "q4_k", "q6_k", "w5-asym-g16",
     "w6-sym-g128", "w7-asym", "w4-sym-g64-dq", "w3-asym-g256", "w2-asym-channel"],
)  # fmt: skip
def test_library(recipe, tmp_path):
    """From the recipe to a library: the product with the numbers that the format has."""
    k, n = 512, 72
    w = make_weights(k, n, 3)
    library = quantc.compile(make_product(w, tmp_path), quantize=recipe)
    values = quantize_matrix(w, recipe).values
    assert np.abs(values - w).max() > 0
    # A row at a time, few, and many have kernels of their own.
    for rows in (1, 3, 40):
        x = np.random.default_rng(5).standard_normal((rows, k)).astype(np.float32)
        expected = x.astype(np.float64) @ values + make_bias(n)
        y = library.run({"x": x})[0]
        assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("n", [72, 64])
@pytest.mark.parametrize(
    "recipe", ["w4a8-g64", "w4a8-asym-g32", "w3a8-asym-g128", "w2a8-asym-g64", "w4a8-hqq-g64", "w8a8-g64", "q4_k-w4a8"]
)
@pytest.mark.parametrize("rows", ["m", 1, 6])
def test_groups_of_weights_by_bytes(recipe, n, rows, tmp_path):
    """Tokens of 8 bits with a scale each, and weights in groups: sums of integers, group by group."""
    k = 256
    if recipe.startswith("q4_k"):
        recipe = "{base: q4_k, activations: {mode: dynamic, granularity: token, signed: true, scheme: restricted}}"
    w = make_weights(k, n, 4)
    library = quantc.compile(make_product(w, tmp_path, rows), quantize=recipe)
    values = quantize_matrix(w, recipe).values
    for count in (1, 2, 4, 7, 40, 513) if rows == "m" else (rows,):
        x = np.random.default_rng(count).standard_t(3, (count, k)).astype(np.float32)
        x[-1] = 0
        scale = np.maximum(np.abs(x).max(1, keepdims=True), np.finfo(np.float32).tiny * 128) / np.float32(127)
        tokens = np.rint(x / scale) * scale
        expected = tokens.astype(np.float64) @ values + make_bias(n)
        y = library.run({"x": x})[0]
        assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    "recipe, wide, bits",
    [
        ("mxfp4", "fp4-g32", 8),
        ("nvfp4", "fp4-g16", 8),
        ("w4-sym-g32-dq", "w4-sym-g32", 8),
        ("w4-asym-g32", "w4-sym-g32", 32),
    ],
)
def test_scales_of_a_byte_are_stored_as_such(recipe, wide, bits, tmp_path):
    """Beside 4 bits a weight (and a zero point), and a float for each column."""
    k = n = 1024
    rng = np.random.default_rng(0)
    model = make_product(rng.standard_normal((k, n)).astype(np.float32), tmp_path)
    sizes = {}
    for name in (recipe, wide):
        library = tmp_path / f"{name}.so"
        quantc.compile(model, output=str(library), quantize=name)
        sizes[name] = library.stat().st_size
    groups = quantize_matrix(np.zeros((k, n), np.float32), recipe).scales.size
    zeros = groups if "asym" in recipe else 0
    saved = groups * (32 - bits) // 8 - zeros
    assert abs(sizes[wide] - sizes[recipe] - saved) <= 4 * n + 16384
    if bits == 8:
        assert sizes[recipe] <= k * n // 2 + groups + 4 * n + 65536


@pytest.mark.parametrize("recipe", ["w4-asym-g64", "w3-hqq-g64", "w4a8-asym-g64", "nf4-g64", "mxfp4", "q4_k", "w4-sym-g32-dq"])
def test_libraries_of_groups_that_do_not_divide(recipe, tmp_path):
    """Integers have a short last group; other formats leave such a matrix in float, and say so."""
    k, n = 100, 24
    w = make_weights(k, n, 6)
    x = np.random.default_rng(1).standard_normal((5, k)).astype(np.float32)
    library = quantc.compile(make_product(w, tmp_path), quantize=recipe)
    y = library.run({"x": x})[0]
    is_float = recipe in ("nf4-g64", "mxfp4")
    values = w if is_float else quantize_matrix(w, recipe).values
    if recipe.startswith("w4a8"):
        scale = np.abs(x).max(1, keepdims=True) / np.float32(127)
        x = np.rint(x / scale) * scale
    expected = x.astype(np.float64) @ values + make_bias(n)
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("recipe", ["w3-gptq-asym-g16", "w3-gptq-asym-g16-importance", "q4_k-gptq", "nf4-gptq-g16", "mxfp4-gptq"])
@pytest.mark.parametrize("tokens", [0, 1, 3])
def test_singular_gram_matrices(recipe, tokens):
    """As few tokens as one, and inputs that are always zero, give numbers, and the tokens' products best."""
    rng = np.random.default_rng(tokens)
    w = make_weights(64, 12)
    x = rng.standard_normal((tokens, 64))
    x[:, 5] = 0
    gram = x.T @ x
    found = quantize_matrix(w, recipe, gram).values
    assert np.isfinite(found).all()
    assert not found[:, 0].any()
    if tokens:
        nearest = quantize_matrix(w, recipe.replace("-gptq", "").replace("-importance", "")).values
        assert np.square(x @ (found - w)).sum() < np.square(x @ (nearest - w)).sum()
