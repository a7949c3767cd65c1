"""Products of 8-bit integers against exact arithmetic, on each dot product that
this machine can run.

numpy is the oracle: ONNX Runtime's kernels for AVX2 saturate u8 by s8 sums.
"""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import quantc

TYPES = {"u": np.uint8, "s": np.int8}
# AVX2, SSE2 and (where it is a feature of this machine) what else there is.
TARGETS = ["native", "x86-64-v3", "x86-64"]


def compile_nodes(nodes, inputs, constants, output, target, folder):
    """`inputs` and `output` are (name, dtype, shape); a shape may hold names."""

    def info(name, dtype, shape):
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)

    graph = helper.make_graph(
        nodes,
        "integers",
        [info(*i) for i in inputs],
        [info(*output)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "model.onnx")
    return quantc.compile(str(folder / "model.onnx"), target=target)


def random_bytes(rng, kind, shape):
    """Extremes are frequent: they are what overflows."""
    info = np.iinfo(TYPES[kind])
    values = rng.integers(info.min, info.max + 1, shape)
    extremes = rng.choice([info.min, info.max], shape)
    return np.where(rng.random(shape) < 0.3, extremes, values).astype(TYPES[kind])


def subtract(x, zero):
    return x.astype(np.int64) - np.asarray(zero).astype(np.int64)


def wrap(x):
    return x.astype(np.uint64).astype(np.uint32).view(np.int32)


def requantize(acc, scale, zero, dtype):
    info = np.iinfo(dtype)
    y = np.rint(acc.astype(np.float32) * scale.astype(np.float32)) + np.float32(zero)
    return np.clip(y, info.min, info.max).astype(dtype)


SIGNS, ZEROS = ["us", "ss", "uu", "su"], ["none", "scalar", "vector"]
SIZES = [(1, 1, 1), (7, 13, 11), (1, 257, 67), (2, 64, 40), (61, 131, 103), (130, 1031, 37), (13, 640, 64)]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("zeros", ZEROS)
@pytest.mark.parametrize("signs", SIGNS)
def test_matmul_integer(signs, zeros, target, tmp_path):
    rng = np.random.default_rng(7)
    # Each combination meets two sizes, and each size meets all sorts of them.
    first = TARGETS.index(target) * 12 + SIGNS.index(signs) * 3 + ZEROS.index(zeros)
    for is_constant in (True, False):
        m, k, n = SIZES[(first + 3 * is_constant) % len(SIZES)]
        a, b = random_bytes(rng, signs[0], (m, k)), random_bytes(rng, signs[1], (k, n))
        constants, names = {}, ["a", "b"]
        za = zb = np.int64(0)
        if zeros != "none":
            za = random_bytes(rng, signs[0], (m,) if zeros == "vector" else ())
            zb = random_bytes(rng, signs[1], (n,) if zeros == "vector" else ())
            constants, names = {"za": za, "zb": zb}, ["a", "b", "za", "zb"]
            za = za[:, None] if za.ndim else za
        inputs, feed = [("a", a.dtype, ["m", k])], {"a": a}
        if is_constant:
            constants["b"] = b
        else:
            inputs.append(("b", b.dtype, [k, n]))
            feed["b"] = b
        if zeros == "vector":
            inputs[0] = ("a", a.dtype, [m, k])
        node = helper.make_node("MatMulInteger", names, ["y"])
        model = compile_nodes([node], inputs, constants, ("y", np.int32, ["m", n]), target, tmp_path)
        (y,) = model.run(feed)
        np.testing.assert_array_equal(y, wrap(subtract(a, za) @ subtract(b, zb)))


def count_risky_words(b):
    """Groups of four along k with a pair whose sum with 255s leaves 16 bits."""
    pairs = np.pad(b.astype(np.int32), ((0, -len(b) % 4), (0, 0))).reshape(-1, 2, 2, b.shape[1])
    above, below = np.maximum(pairs, 0).sum(2).max(1), np.minimum(pairs, 0).sum(2).min(1)
    return ((255 * above > 32767) | (255 * below < -32768)).sum()


@pytest.mark.parametrize("target", ["native", "x86-64-v3", "x86-64-v2"])
@pytest.mark.parametrize("kind", ["safe", "few", "many", "edge"])
@pytest.mark.parametrize("signs", ["us", "ss"])
def test_pairs_of_bytes(signs, kind, target, tmp_path):
    """Pairs of products may be summed in 16 bits only where the weights are
    proved to keep clear of saturation, which the largest activations reach."""
    rng = np.random.default_rng(list(f"{signs}{kind}{target}".encode()))
    m, k, n = {"safe": (40, 333, 45), "few": (61, 517, 70), "many": (50, 259, 33), "edge": (45, 64, 37)}[kind]
    if kind == "safe":
        b = rng.integers(-64, 65, (k, n)).astype(np.int8)
        assert count_risky_words(b) == 0
    elif kind == "edge":
        # 64 + 64 is the most that a pair may weigh, 65 + 64 is too much.
        b = rng.choice(np.array([-65, -64, 64, 65], np.int8), (k, n), p=[0.01, 0.49, 0.49, 0.01])
        assert count_risky_words(b) > 0
    else:
        b = np.clip(rng.normal(0, {"few": 30, "many": 45}[kind], (k, n)).round(), -128, 127).astype(np.int8)
        assert 0 < count_risky_words(b) < k * n / 4
    info = np.iinfo(TYPES[signs[0]])
    za, zb = TYPES[signs[0]](info.min + 17), np.int8(-5)
    a = random_bytes(rng, signs[0], (m, k))
    a[: m // 3] = info.max
    a[m // 3 : m // 2] = info.min
    constants = {"b": b, "za": za, "zb": zb}
    node = helper.make_node("MatMulInteger", ["a", "b", "za", "zb"], ["y"])
    for rows in ("m", m):
        inputs = [("a", a.dtype, [rows, k])]
        model = compile_nodes([node], inputs, constants, ("y", np.int32, [rows, n]), target, tmp_path)
        (y,) = model.run({"a": a})
        np.testing.assert_array_equal(y, wrap(subtract(a, za) @ subtract(b, zb)))


@pytest.mark.parametrize("size", [(0, 5, 3), (3, 0, 4), (3, 5, 0)])
def test_empty(size, tmp_path):
    m, k, n = size
    inputs = [("a", np.uint8, ["m", "k"]), ("b", np.int8, ["k", "n"])]
    node = helper.make_node("MatMulInteger", ["a", "b"], ["y"])
    model = compile_nodes([node], inputs, {}, ("y", np.int32, ["m", "n"]), "native", tmp_path)
    (y,) = model.run({"a": np.ones((m, k), np.uint8), "b": np.ones((k, n), np.int8)})
    np.testing.assert_array_equal(y, np.zeros((m, n), np.int32))


@pytest.mark.parametrize("shapes", [((5, 1, 17, 33), (3, 33, 9)), ((33,), (33, 20)), ((2, 9, 33), (33,))])
def test_batches(shapes, tmp_path):
    rng = np.random.default_rng(2)
    a, b = random_bytes(rng, "u", shapes[0]), random_bytes(rng, "s", shapes[1])
    za, zb = np.uint8(131), np.int8(-3)
    expected = wrap(np.matmul(subtract(a, za), subtract(b, zb)))
    inputs = [("a", a.dtype, a.shape), ("b", b.dtype, b.shape)]
    node = helper.make_node("MatMulInteger", ["a", "b", "za", "zb"], ["y"])
    model = compile_nodes([node], inputs, {"za": np.array(za), "zb": np.array(zb)},
                          ("y", np.int32, expected.shape), "native", tmp_path)
    (y,) = model.run({"a": a, "b": b})
    np.testing.assert_array_equal(y, expected)


def test_wraps_around(tmp_path):
    k = 140_000
    a, b = np.full((1, k), 255, np.uint8), np.full((k, 3), 127, np.int8)
    node = helper.make_node("MatMulInteger", ["a", "b"], ["y"])
    model = compile_nodes([node], [("a", a.dtype, a.shape), ("b", b.dtype, b.shape)], {},
                          ("y", np.int32, (1, 3)), "native", tmp_path)
    (y,) = model.run({"a": a, "b": b})
    np.testing.assert_array_equal(y, wrap(a.astype(np.int64) @ b.astype(np.int64)))


@pytest.mark.parametrize("per_column", [False, True])
@pytest.mark.parametrize("signs", ["us", "ss"])
def test_requantized_matmul(signs, per_column, tmp_path):
    rng = np.random.default_rng(3)
    m, k, n = 37, 96, 50
    a, b = random_bytes(rng, signs[0], (m, k)), random_bytes(rng, signs[1], (k, n))
    za, zy = TYPES[signs[0]](7), TYPES[signs[0]](11)
    sa, sy = np.float32(0.02), np.float32(0.75)
    sb = (rng.random(n if per_column else ()) * 0.02 + 0.001).astype(np.float32)
    zb = np.zeros(sb.shape, TYPES[signs[1]])
    constants = {"sa": np.array(sa), "za": np.array(za), "b": b, "sb": sb, "zb": zb, "sy": np.array(sy),
                 "zy": np.array(zy)}
    node = helper.make_node("QLinearMatMul", ["a", "sa", "za", "b", "sb", "zb", "sy", "zy"], ["y"])
    model = compile_nodes([node], [("a", a.dtype, ["m", k])], constants, ("y", a.dtype, ["m", n]), "native", tmp_path)
    (y,) = model.run({"a": a})
    acc = wrap(subtract(a, za) @ subtract(b, zb))
    np.testing.assert_array_equal(y, requantize(acc, sa * sb / sy, zy, a.dtype))


def convolve(x, w, strides, dilations, pads, group):
    """Convolution of integers less their zero points, or of f64, NCHW."""
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    n, c, h, width = x.shape
    o, ci, kh, kw = w.shape
    oh = (h - (kh - 1) * dilations[0] - 1) // strides[0] + 1
    ow = (width - (kw - 1) * dilations[1] - 1) // strides[1] + 1
    y = np.zeros((n, group, o // group, oh, ow), np.result_type(x, w))
    for i in range(kh):
        for j in range(kw):
            top, left = i * dilations[0], j * dilations[1]
            part = x[:, :, top : top + (oh - 1) * strides[0] + 1 : strides[0],
                     left : left + (ow - 1) * strides[1] + 1 : strides[1]]
            y += np.einsum("ngchw,gmc->ngmhw", part.reshape(n, group, ci, oh, ow),
                           w[:, :, i, j].reshape(group, o // group, ci))
    return y.reshape(n, o, oh, ow)


# channels, filters, image, kernel, strides, dilations, pads, group
CONVOLUTIONS = {
    "3x3": (16, 24, (14, 14), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1),
    "odd": (3, 7, (13, 17), (5, 3), (2, 1), (1, 2), (2, 0, 1, 3), 1),
    "few": (3, 2, (13, 40), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1),
    "pointwise": (40, 20, (7, 9), (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1),
    "pointwise, strided": (8, 12, (9, 9), (1, 1), (2, 2), (1, 1), (0, 0, 0, 0), 1),
    "depthwise": (19, 19, (12, 21), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 19),
    "depthwise, strided": (8, 8, (15, 16), (5, 5), (2, 2), (1, 1), (2, 2, 2, 2), 8),
    "depthwise, dilated": (5, 5, (20, 37), (3, 3), (1, 1), (2, 2), (1, 2, 2, 0), 5),
    "depthwise, narrow": (6, 6, (7, 7), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 6),
    "depthwise, narrow and strided": (6, 6, (14, 13), (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), 6),
    "depthwise, prime": (2, 2, (101, 13), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 2),
    "depthwise, prime and narrow": (2, 2, (311, 7), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 2),
    "depthwise, tiny": (4, 4, (2, 3), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 4),
    "depthwise, one column": (6, 6, (40, 1), (5, 1), (1, 1), (1, 1), (2, 0, 2, 0), 6),
    "depthwise, even window": (3, 3, (53, 41), (2, 4), (1, 1), (1, 1), (0, 1, 1, 2), 3),
    "depthwise, strided and dilated": (5, 5, (20, 37), (3, 3), (2, 2), (2, 2), (1, 2, 2, 0), 5),
    "depthwise, far columns": (5, 5, (11, 30), (3, 3), (1, 1), (1, 3), (1, 3, 1, 3), 5),
    "depthwise, uneven padding": (3, 3, (9, 15), (5, 3), (1, 1), (1, 1), (3, 1, 0, 2), 3),
    "depthwise, padding alone above": (3, 3, (1, 15), (7, 5), (1, 1), (1, 1), (6, 2, 1, 2), 3),
    "grouped": (12, 18, (10, 10), (3, 3), (1, 1), (1, 1), (1, 1, 0, 0), 3),
    "two filters a channel": (5, 10, (12, 21), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 5),
    "groups of two channels": (6, 6, (13, 18), (3, 3), (2, 1), (1, 1), (1, 0, 1, 2), 3),
}


@pytest.mark.parametrize("signs", ["us", "uu", "ss"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name, signs, tmp_path):
    rng = np.random.default_rng(4)
    c, o, image, kernel, strides, dilations, pads, group = CONVOLUTIONS[name]
    x = random_bytes(rng, signs[0], (2, c, *image))
    w = random_bytes(rng, signs[1], (o, c // group, *kernel))
    zx = TYPES[signs[0]](5)
    zw = random_bytes(rng, "u", (o,)) if signs == "uu" else np.zeros((o,), w.dtype)
    bias = rng.integers(-10000, 10000, o).astype(np.int32)
    sw = (rng.random(o) * 0.02 + 0.001).astype(np.float32)
    sx, sy, zy = np.float32(0.1), np.float32(0.3), TYPES[signs[0]](3)
    acc = convolve(subtract(x, zx), subtract(w, zw.reshape(-1, 1, 1, 1)), strides, dilations, pads, group)
    acc = wrap(acc + bias.reshape(-1, 1, 1))
    expected = requantize(acc, (sx * sw / sy).reshape(-1, 1, 1), zy, x.dtype)
    constants = {"sx": np.array(sx), "zx": np.array(zx), "w": w, "sw": sw, "zw": zw, "sy": np.array(sy),
                 "zy": np.array(zy), "bias": bias}
    node = helper.make_node("QLinearConv", ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy", "bias"], ["y"],
                            strides=strides, dilations=dilations, pads=pads, group=group)
    model = compile_nodes([node], [("x", x.dtype, x.shape)], constants, ("y", x.dtype, expected.shape), "native",
                          tmp_path)
    (y,) = model.run({"x": x})
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("target", ["native", "x86-64-v3", "x86-64-v2"])
@pytest.mark.parametrize("kind", ["few", "many", "edge"])
@pytest.mark.parametrize("name", ["3x3", "odd", "few", "pointwise", "grouped", "two filters a channel"])
def test_pairs_of_filters(name, kind, target, tmp_path):
    """Filters whose pairs could saturate with the largest activations are multiplied in halves."""
    seed = list(f"{name}{kind}{target}".encode())
    rng, signs = np.random.default_rng(seed), ("us", "ss", "uu")[sum(seed) % 3]
    c, o, image, kernel, strides, dilations, pads, group = CONVOLUTIONS[name]
    shape = (o, c // group, *kernel)
    if kind == "edge":
        w = rng.choice(np.array([-65, -64, 64, 65], np.int8), shape, p=[0.01, 0.49, 0.49, 0.01])
    else:
        w = np.clip(rng.normal(0, {"few": 25, "many": 60}[kind], shape).round(), -128, 127).astype(np.int8)
    zw = np.int8(-3)
    if signs == "uu":
        w, zw = (w.astype(np.int16) + 128).astype(np.uint8), np.uint8(125)
    x = random_bytes(rng, signs[0], (2, c, *image))
    x[0] = np.where(rng.random(x[0].shape) < 0.9, np.iinfo(x.dtype).max, x[0])
    zx = TYPES[signs[0]](7)
    expected = wrap(convolve(subtract(x, zx), subtract(w, zw), strides, dilations, pads, group))
    node = helper.make_node("ConvInteger", ["x", "w", "zx", "zw"], ["y"], strides=strides, dilations=dilations,
                            pads=pads, group=group)
    constants = {"w": w, "zx": np.array(zx), "zw": np.array(zw)}
    for spatial in (["height", "width"], list(image)):
        model = compile_nodes([node], [("x", x.dtype, [2, c, *spatial])], constants,
                              ("y", np.int32, [2, o, "rows", "columns"]), target, tmp_path)
        (y,) = model.run({"x": x})
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    "channels, filters, spread, are_widened",
    [(3, 1, 42, False), (3, 3, 42, False), (24, 2, 42, False), (24, 64, 42, False), (24, 64, 70, True)],
)
def test_what_few_filters_do_with_large_weights(channels, filters, spread, are_widened, tmp_path, quantc_cli):
    """Panels of widened bytes cost more than to multiply most words in halves, and more so the fewer use them.
    An order of the channels leaves few words of moderate weights in halves."""
    rng = np.random.default_rng(7)
    w = np.clip(rng.normal(0, spread, (filters, channels, 3, 3)).round(), -128, 127).astype(np.int8)
    node = helper.make_node("ConvInteger", ["x", "w"], ["y"], name="layer", pads=[1, 1, 1, 1])
    types = [("x", onnx.TensorProto.UINT8, channels), ("y", onnx.TensorProto.INT32, filters)]
    infos = [helper.make_tensor_value_info(n, t, (1, c, 40, 40)) for n, t, c in types]
    graph = helper.make_graph([node], "layer", infos[:1], infos[1:], [numpy_helper.from_array(w, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    flags = "--target=x86-64-v3", "--print-remarks", "--emit=obj", "-o", tmp_path / "m.o"
    done = quantc_cli("compile", tmp_path / "m.onnx", *flags)
    assert done.returncode == 0, done.stderr
    assert ("all bytes are widened, as too many of the weights are large" in done.stderr) == are_widened
    assert ("words of weights are multiplied in halves" in done.stderr) != are_widened


@pytest.mark.parametrize("signs", ["us", "ss"])
@pytest.mark.parametrize("name", [name for name in CONVOLUTIONS if name.startswith("depthwise")])
def test_depthwise_of_any_size(name, signs, tmp_path):
    """One library for images of all sizes, from less than a vector to many tiles."""
    rng = np.random.default_rng(5)
    channels, _, _, kernel, strides, dilations, pads, group = CONVOLUTIONS[name]
    w = random_bytes(rng, signs[1], (channels, 1, *kernel))
    zx, zy = TYPES[signs[0]](77), TYPES[signs[0]](-3 % 100)
    sx, sw, sy = np.float32(0.1), (rng.random(channels) * 0.02 + 0.001).astype(np.float32), np.float32(0.3)
    constants = {"sx": np.array(sx), "zx": np.array(zx), "w": w, "sw": sw, "zw": np.zeros(channels, w.dtype),
                 "sy": np.array(sy), "zy": np.array(zy)}
    node = helper.make_node("QLinearConv", ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"], ["y"],
                            strides=strides, dilations=dilations, pads=pads, group=group)
    model = compile_nodes([node], [("x", zx.dtype, ("n", channels, "h", "v"))], constants,
                          ("y", zx.dtype, ("n", channels, "oh", "ov")), "native", tmp_path)
    for image in ((5, 5), (8, 64), (17, 70), (41, 133), (18, 261), (5, 530)):
        x = random_bytes(rng, signs[0], (2, channels, *image))
        acc = convolve(subtract(x, zx), subtract(w, 0), strides, dilations, pads, group)
        expected = requantize(acc, (sx * sw / sy).reshape(-1, 1, 1), zy, x.dtype)
        (y,) = model.run({"x": x})
        np.testing.assert_array_equal(y, expected, err_msg=str(image))


# channels, length, window, stride, dilation, pads
LINES = {
    "many taps": (19, 200, 31, 1, 1, (15, 15)),
    "even window, strided": (8, 133, 4, 2, 1, (1, 2)),
    "large stride": (3, 50, 3, 3, 1, (1, 1)),
    "dilated": (5, 90, 3, 1, 4, (8, 0)),
    "pointwise": (4, 30, 1, 1, 1, (0, 0)),
    "pointwise, padded": (4, 30, 1, 1, 1, (2, 1)),
    "less than a vector": (6, 3, 3, 1, 1, (1, 1)),
    "many tiles": (2, 3001, 9, 1, 1, (4, 4)),
}


@pytest.mark.parametrize("target", ["native", "x86-64-v2"])
@pytest.mark.parametrize("signs", ["us", "uu", "ss"])
@pytest.mark.parametrize("name", LINES)
def test_depthwise_of_lines(name, signs, target, tmp_path):
    """In one dimension, of a length that is known, and of any."""
    rng = np.random.default_rng(6)
    channels, length, window, stride, dilation, pads = LINES[name]
    w = random_bytes(rng, signs[1], (channels, 1, window))
    zw = random_bytes(rng, "u", (channels,)) if signs == "uu" else np.zeros(channels, w.dtype)
    zx, zy = TYPES[signs[0]](77), TYPES[signs[0]](3)
    sx, sw, sy = np.float32(0.1), (rng.random(channels) * 0.02 + 0.001).astype(np.float32), np.float32(0.3)
    bias = rng.integers(-10000, 10000, channels).astype(np.int32)
    constants = {"sx": np.array(sx), "zx": np.array(zx), "w": w, "sw": sw, "zw": zw, "sy": np.array(sy),
                 "zy": np.array(zy), "bias": bias}
    node = helper.make_node("QLinearConv", ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy", "bias"], ["y"],
                            strides=[stride], dilations=[dilation], pads=pads, group=channels)
    for size in (length, "length"):
        model = compile_nodes([node], [("x", zx.dtype, (2, channels, size))], constants,
                              ("y", zx.dtype, (2, channels, "out")), target, tmp_path)
        for actual in (length,) if size == length else (length, 2 * length + 31):
            x = random_bytes(rng, signs[0], (2, channels, actual))
            acc = convolve(subtract(x, zx)[:, :, None], subtract(w, zw.reshape(-1, 1, 1))[:, :, None], (1, stride),
                           (1, dilation), (0, pads[0], 0, pads[1]), channels)[:, :, 0]
            expected = requantize(wrap(acc + bias[:, None]), (sx * sw / sy)[:, None], zy, x.dtype)
            (y,) = model.run({"x": x})
            np.testing.assert_array_equal(y, expected, err_msg=str(actual))


@pytest.mark.parametrize("target", ["native", "x86-64-v3", "x86-64-v2"])
@pytest.mark.parametrize("zero_point", [np.uint8(7), np.uint8(255), np.int8(-128), np.int8(19)])
def test_scales_around_one(zero_point, target, tmp_path):
    """Below one, no product of an accumulator leaves 32 bits; from there on, those of the largest do."""
    rng = np.random.default_rng(8)
    sw = np.array([1e-3, 0.5, 0.98, 0.9899999, 0.99, 1, 1.5, 3e4, 1e9, 1e30], np.float32)
    for scales in (sw[:4], sw):
        n = len(scales)
        x = rng.integers(-100, 100, (40, 6)).astype(np.int8)
        x[:4] = [[127], [-128], [0], [1]]
        w = rng.integers(-128, 128, (6, n)).astype(np.int8)
        w[:, ::2] = 127
        one, none = np.float32(1), np.int8(0)
        expected = requantize(x.astype(np.int32) @ w.astype(np.int32), scales, zero_point, zero_point.dtype)
        constants = {"one": np.array(one), "none": np.array(none), "w": w, "sw": scales, "zw": np.zeros(n, np.int8),
                     "zy": np.array(zero_point)}
        node = helper.make_node("QLinearMatMul", ["x", "one", "none", "w", "sw", "zw", "one", "zy"], ["y"])
        model = compile_nodes([node], [("x", np.int8, x.shape)], constants, ("y", zero_point.dtype, expected.shape),
                              target, tmp_path)
        (y,) = model.run({"x": x})
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("group", [1, 8])
def test_padding_that_is_no_zero_point(group, tmp_path):
    """A Pad before a convolution is folded into it, whatever it pads with."""
    rng = np.random.default_rng(6)
    x, w = random_bytes(rng, "u", (1, 8, 10, 18)), random_bytes(rng, "s", (8, 8 // group, 3, 3))
    zx, value = np.array(5, np.uint8), np.array(200, np.uint8)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=value)
    expected = wrap(convolve(subtract(padded, zx), subtract(w, 0), (1, 1), (1, 1), (0, 0, 0, 0), group))
    nodes = [
        helper.make_node("Pad", ["x", "pads", "value"], ["padded"]),
        helper.make_node("ConvInteger", ["padded", "w", "zx"], ["y"], group=group),
    ]
    constants = {"w": w, "zx": zx, "value": value, "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    model = compile_nodes(nodes, [("x", x.dtype, x.shape)], constants, ("y", np.int32, expected.shape), "native",
                          tmp_path)
    (y,) = model.run({"x": x})
    np.testing.assert_array_equal(y, expected)
