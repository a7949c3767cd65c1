"""Quantized operators give the integers that ONNX Runtime gives, bit for bit."""

import re

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import quantc

TYPES = {np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int8): TensorProto.INT8}


class Graph:
    """Builds a model in QDQ form: `q` and `dq` write the pairs."""

    def __init__(self):
        self.nodes, self.inputs, self.outputs, self.constants = [], [], [], []
        self.count = 0

    def name(self, prefix="v"):
        self.count += 1
        return f"{prefix}{self.count}"

    def input(self, array_or_type, shape=None):
        name = self.name("x")
        if shape is None:
            array_or_type, shape = helper.np_dtype_to_tensor_dtype(array_or_type.dtype), array_or_type.shape
        self.inputs.append(helper.make_tensor_value_info(name, array_or_type, shape))
        return name

    def constant(self, value, dtype=None):
        name = self.name("c")
        self.constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def node(self, op, *inputs, domain="", **attributes):
        name = self.name()
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=f"n{self.count}", domain=domain, **attributes))
        return name

    def dq(self, x, scale, zero, dtype, **attributes):
        return self.node(
            "DequantizeLinear", x, self.constant(scale, np.float32), self.constant(zero, dtype), **attributes
        )

    def q(self, x, scale, zero, dtype):
        return self.node("QuantizeLinear", x, self.constant(scale, np.float32), self.constant(zero, dtype))

    def output(self, x, dtype):
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self.outputs.append(helper.make_tensor_value_info(x, kind, None))

    def model(self):
        graph = helper.make_graph(self.nodes, "quantized", self.inputs, self.outputs, self.constants)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=9
        )


def run_reference(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Without AVX-VNNI its products of u8 and s8 saturate at 16 bits otherwise;
    # with it, those of s8 and s8 find no kernel.
    if model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8:
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip([i.name for i in model.graph.input], feeds)))


def check_equal(graph, *feeds):
    model = graph.model()
    for ours, theirs in zip(quantc.compile(model).run(*feeds), run_reference(model, feeds), strict=True):
        np.testing.assert_array_equal(np.asarray(ours), theirs)


def random_parameters(rng, dtype, low=0.005, high=0.2):
    """A scale and a zero point; every third scale makes many ties."""
    info = np.iinfo(dtype)
    scale = rng.uniform(low, high)
    if rng.integers(3) == 0:
        scale = 2.0 ** rng.integers(-6, 0)
    return np.float32(scale), int(rng.integers(info.min, info.max + 1))


def all_bytes(dtype):
    return np.arange(256, dtype=np.uint8).view(dtype)


# --- exhaustive ---------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("op", ["Add", "Mul"])
@pytest.mark.parametrize("form", ["QDQ", "QLinear"])
def test_sums_and_products_of_all_pairs(op, form, dtype):
    rng = np.random.default_rng([len(op), len(form), np.dtype(dtype) == np.int8])
    graph = Graph()
    a, b = np.repeat(all_bytes(dtype), 256), np.tile(all_bytes(dtype), 256)
    x, y = graph.input(a), graph.input(b)
    for _ in range(12):
        (sa, za), (sb, zb), (sy, zy) = (random_parameters(rng, dtype) for _ in range(3))
        if form == "QDQ":
            real = graph.node(op, graph.dq(x, sa, za, dtype), graph.dq(y, sb, zb, dtype))
            graph.output(graph.q(real, sy, zy, dtype), dtype)
        else:
            parameters = [graph.constant(v, t) for v, t in zip((sa, za, sb, zb, sy, zy), (np.float32, dtype) * 3)]
            real = graph.node(f"QLinear{op}", x, *parameters[:2], y, *parameters[2:], domain="com.microsoft")
            graph.output(real, dtype)
    check_equal(graph, a, b)


@pytest.mark.parametrize("a_type", [np.uint8, np.int8])
@pytest.mark.parametrize("b_type", [np.uint8, np.int8])
@pytest.mark.parametrize("zeros", [(0, 0), (7, 3), (113, 101)])
def test_integer_products_of_all_pairs(a_type, b_type, zeros):
    if a_type == np.int8 and b_type == np.uint8:
        pytest.skip("ONNX Runtime has no such kernel")
    graph = Graph()
    a, b = all_bytes(a_type).reshape(256, 1), all_bytes(b_type).reshape(1, 256)
    zero_points = graph.constant(zeros[0], a_type), graph.constant(zeros[1], b_type)
    graph.output(graph.node("MatMulInteger", graph.input(a), graph.input(b), *zero_points), np.int32)
    check_equal(graph, a, b)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_functions_of_all_bytes(dtype):
    """Tables, and what moves or clamps."""
    rng = np.random.default_rng(3)
    graph = Graph()
    x = graph.input(all_bytes(dtype))
    for op, attributes in [
        ("Relu", {}),
        ("LeakyRelu", {"alpha": 0.1}),
        ("HardSigmoid", {"alpha": 0.3}),
        ("Abs", {}),
        ("Neg", {}),
        ("Identity", {}),
    ]:
        for _ in range(4):
            (s, z), (sy, zy) = random_parameters(rng, dtype), random_parameters(rng, dtype)
            real = graph.node(op, graph.dq(x, s, z, dtype), **attributes)
            graph.output(graph.q(real, sy, zy, dtype), dtype)
    check_equal(graph, all_bytes(dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_functions_with_bytes_on_the_way(dtype):
    """x * f(x) + x, with each step quantized: one table for us, three kernels for ONNX Runtime."""
    rng = np.random.default_rng(8)
    graph = Graph()
    x = graph.input(all_bytes(dtype))
    for _ in range(8):
        (s, z), (sg, zg), (sm, zm), (sy, zy) = (random_parameters(rng, dtype) for _ in range(4))
        gate = graph.node("HardSigmoid", graph.dq(x, s, z, dtype), alpha=0.3)
        gate = graph.dq(graph.q(gate, sg, zg, dtype), sg, zg, dtype)
        product = graph.node("Mul", graph.dq(x, s, z, dtype), gate)
        product = graph.dq(graph.q(product, sm, zm, dtype), sm, zm, dtype)
        graph.output(graph.q(graph.node("Add", product, graph.dq(x, s, z, dtype)), sy, zy, dtype), dtype)
    check_equal(graph, all_bytes(dtype))


# --- requantization -----------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_a_million_accumulators_and_scales(dtype):
    """A convolution of zeros is its bias: any accumulator, a scale a channel."""
    rng = np.random.default_rng(11)
    channels, graph = 50_000, Graph()
    x = np.full((1, 1, 1, 1), 5, dtype)
    name = graph.input(x)
    for _ in range(10):
        accumulators = (rng.integers(-(2**31), 2**31, channels) >> rng.integers(0, 24, channels)).astype(np.int32)
        scales = (2.0 ** rng.uniform(-30, -2, channels)).astype(np.float32)
        scales[::7] = 2.0 ** rng.integers(-12, 0, len(scales[::7]))
        _, zero = random_parameters(rng, dtype)
        graph.output(
            graph.node(
                "QLinearConv",
                name,
                graph.constant(1, np.float32),
                graph.constant(5, dtype),
                graph.constant(np.zeros((channels, 1, 1, 1), np.int8)),
                graph.constant(scales),
                graph.constant(0, np.int8),
                graph.constant(rng.uniform(0.5, 2), np.float32),
                graph.constant(zero, dtype),
                graph.constant(accumulators),
            ),
            dtype,
        )
    check_equal(graph, x)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_quantize_ties_and_what_is_no_number(dtype):
    rng = np.random.default_rng(5)
    graph = Graph()
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30, 1e-40], np.float32)
    for scale in (1.0, 0.5, 0.1, 0.3, 7.0):
        ties = ((np.arange(-300, 300) + 0.5) * np.float32(scale)).astype(np.float32)
        x = np.concatenate([odd, ties, np.nextafter(ties, 0), rng.normal(size=101).astype(np.float32) * 40])
    name = graph.input(x)
    for scale in (1.0, 0.5, 0.1, 0.3, 7.0):
        for zero in (0, 1, 77):
            graph.output(graph.q(name, scale, zero, dtype), dtype)
    check_equal(graph, x)


# --- contractions -------------------------------------------------------------


def add_matmul(graph, rng, x, k, n, a_type, b_type, scale, zero, per_channel, bias, relu=False):
    """dequantize -> MatMul [-> Relu] [-> quantize], or Gemm with a bias.

    Of signed activations, QLinearMatMul: on x86 ONNX Runtime computes the QDQ
    form of those with floats, which round ties otherwise.
    """
    info = np.iinfo(b_type)
    w = rng.integers(info.min, info.max + 1, (k, n)).astype(b_type)
    sw = rng.uniform(0.001, 0.05, n if per_channel else ()).astype(np.float32)
    zw = np.zeros(sw.shape, b_type) if b_type == np.int8 else rng.integers(0, 256, sw.shape).astype(b_type)
    sy, zy = np.float32(scale * float(np.mean(sw)) * 40 * np.sqrt(k)), random_parameters(rng, a_type)[1]
    if a_type == np.int8:
        values = (scale, np.float32), (zero, a_type), (w, None), (sw, None), (zw, None), (sy, np.float32), (zy, a_type)
        return graph.node("QLinearMatMul", x, *(graph.constant(v, t) for v, t in values)), sy, zy
    axis = {"axis": 1} if per_channel else {}
    a = graph.dq(x, scale, zero, a_type)
    weights = graph.dq(graph.constant(w), sw, zw, b_type, **axis)
    if bias:
        c = graph.constant(rng.integers(-5000, 5000, n).astype(np.int32))
        sb = (np.float32(scale) * sw).astype(np.float32)
        c = graph.node("DequantizeLinear", c, graph.constant(sb), **({"axis": 0} if per_channel else {}))
        y = graph.node("Gemm", a, weights, c)
    else:
        y = graph.node("MatMul", a, weights)
    if relu:
        y = graph.node("Relu", y)
    return graph.q(y, sy, zy, a_type), sy, zy


@pytest.mark.parametrize("a_type, b_type", [(np.uint8, np.int8), (np.int8, np.int8), (np.uint8, np.uint8)])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_matmul_of_prime_and_empty_shapes(a_type, b_type, per_channel, bias):
    rng = np.random.default_rng(7)
    for k, n in [(1, 1), (31, 17), (67, 5), (128, 33)]:
        graph = Graph()
        scale, zero = random_parameters(rng, a_type)
        x = graph.input(TYPES[np.dtype(a_type)], ["m", k])
        graph.output(add_matmul(graph, rng, x, k, n, a_type, b_type, scale, zero, per_channel, bias)[0], a_type)
        model = graph.model()
        library = quantc.compile(model)
        for m in (0, 1, 7, 13, 64):
            a = rng.integers(0, 256, (m, k)).astype(np.uint8).view(a_type)
            (ours,) = library.run(a)
            (theirs,) = run_reference(model, [a])
            np.testing.assert_array_equal(np.asarray(ours), theirs)


def test_integer_products_wrap():
    graph = Graph()
    a, b = np.full((2, 40_000), 255, np.uint8), np.full((40_000, 3), 255, np.uint8)
    graph.output(graph.node("MatMulInteger", graph.input(a), graph.constant(b)), np.int32)
    check_equal(graph, a)


def test_a_sum_that_leaves_32_bits():
    """Ours is split, and right; ONNX Runtime's wraps."""
    k = 40_000
    graph = Graph()
    a = np.full((1, k), 255, np.uint8)
    x = graph.input(a)
    w = graph.dq(graph.constant(np.full((k, 1), 255, np.uint8)), 0.5, 0, np.uint8)
    graph.output(graph.node("MatMul", graph.dq(x, 0.5, 0, np.uint8), w), np.float32)
    (ours,) = quantc.compile(graph.model()).run(a)
    np.testing.assert_allclose(np.asarray(ours), [[k * 255.0 * 255.0 / 4]], rtol=1e-6)


@pytest.mark.parametrize("group", [1, 4, 8])
@pytest.mark.parametrize("x_type", [np.uint8, np.int8])
def test_convolutions(group, x_type):
    rng = np.random.default_rng(group)
    graph = Graph()
    scale, zero = random_parameters(rng, x_type)
    x = rng.integers(0, 256, (2, 8, 11, 7)).astype(np.uint8).view(x_type)
    w = rng.integers(-128, 128, (16, 8 // group, 3, 3)).astype(np.int8)
    sw = rng.uniform(0.001, 0.05, 16).astype(np.float32)
    bias = graph.node(
        "DequantizeLinear",
        graph.constant(rng.integers(-5000, 5000, 16).astype(np.int32)),
        graph.constant(np.float32(scale) * sw),
        axis=0,
    )
    y = graph.node(
        "Conv",
        graph.dq(graph.input(x), scale, zero, x_type),
        graph.dq(graph.constant(w), sw, np.zeros(16, np.int8), np.int8, axis=0),
        bias,
        group=group,
        pads=[1, 2, 0, 1],
        strides=[2, 1],
        dilations=[1, 2],
    )
    graph.output(graph.q(y, scale * np.float32(2), 3, x_type), x_type)
    check_equal(graph, x)


@pytest.mark.parametrize("width", [1, 17, 33])
def test_one_element_beyond_a_vector(width, tmp_path, quantc_cli):
    """A byte at the end of a row is stored as one byte: LLVM would store four of it for AVX-512."""
    rng = np.random.default_rng(width)
    graph = Graph()
    x = rng.integers(0, 256, (1, 8, 40, width)).astype(np.uint8)
    w = rng.integers(-128, 128, (32, 8, 3, 1)).astype(np.int8)
    y = graph.node(
        "Conv", graph.dq(graph.input(x), 0.02, 120, np.uint8), graph.dq(graph.constant(w), 0.01, 0, np.int8)
    )
    graph.output(graph.q(y, 0.31, 128, np.uint8), np.uint8)
    check_equal(graph, x)
    if width == 1:
        onnx.save(graph.model(), tmp_path / "model.onnx")
        quantc_cli.ok("compile", tmp_path / "model.onnx", "--target=x86-64-v4", "--emit=asm", "-o", tmp_path / "model.s")
        text = (tmp_path / "model.s").read_text()
        assert re.search(r"vpextrb|movb\s+%[a-d]l, ", text)
        assert not re.search(r"(vmovd|vmovss|vextractps)\s.*%xmm\d+, -?\d*\(%r", text)


@pytest.mark.parametrize("height, width", [(5, 21), (1, 100)])
def test_end_of_a_plane(height, width, tmp_path, quantc_cli):
    """Where a target has no masks for bytes, a loop stands for the last of them: not a branch for each lane."""
    rng = np.random.default_rng(width)
    graph = Graph()
    x = rng.integers(0, 256, (2, 8, height, width)).astype(np.uint8)
    w = rng.integers(-128, 128, (12, 8, 1, 1)).astype(np.int8)
    y = graph.node("Conv", graph.dq(graph.input(x), 0.02, 120, np.uint8), graph.dq(graph.constant(w), 0.01, 0, np.int8))
    graph.output(graph.q(y, 0.31, 128, np.uint8), np.uint8)
    check_equal(graph, x)
    onnx.save(graph.model(), tmp_path / "model.onnx")
    texts = {}
    for target in ("x86-64-v3", "x86-64-v4"):
        path = tmp_path / "model.s"
        quantc_cli.ok("compile", tmp_path / "model.onnx", f"--target={target}", "--emit=asm", "-o", path)
        texts[target] = path.read_text()
    assert not re.search(r"vp(ins|ext)rb", texts["x86-64-v3"])
    assert re.search(r"vmovdqu8\s.*\{%k\d\}", texts["x86-64-v4"])


TRANSPOSED = [
    {},
    {"strides": [2, 2], "kernel_shape": [2, 2]},
    {"group": 2, "pads": [1, 0, 0, 1]},
    # Convolutions for the elements of a tile, as many as tiles have sorts of them.
    {"strides": [2, 2], "kernel_shape": [4, 4], "pads": [1, 1, 1, 1]},
    {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
    {"strides": [3, 2], "kernel_shape": [4, 4], "pads": [1, 2, 0, 1], "group": 2},
]


@pytest.mark.parametrize("attributes", TRANSPOSED)
def test_transposed_convolutions(attributes):
    """ONNX Runtime computes these with floats: scales that make no ties."""
    rng = np.random.default_rng(23)
    graph, group = Graph(), attributes.get("group", 1)
    x = rng.integers(0, 256, (2, 4, 5, 6)).astype(np.uint8)
    kernel = attributes.get("kernel_shape", [3, 3])
    w = rng.integers(-128, 128, (4, 6 // group, *kernel)).astype(np.int8)
    sw = rng.uniform(0.01, 0.05, 6 if group == 1 else ()).astype(np.float32)
    y = graph.node(
        "ConvTranspose",
        graph.dq(graph.input(x), 0.0173, 119, np.uint8),
        graph.dq(graph.constant(w), sw, np.zeros(sw.shape, np.int8), np.int8, **({"axis": 1} if group == 1 else {})),
        graph.constant(rng.normal(size=6), np.float32),
        **attributes,
    )
    graph.output(graph.q(y, 0.317, 131, np.uint8), np.uint8)
    check_equal(graph, x)


@pytest.mark.parametrize("is_dynamic", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(
    "size, kernel", [((7,), (2,)), ((5, 6), (2, 2)), ((3, 4), (3, 2)), ((4, 3), (1, 1)), ((2, 3, 2), (2, 1, 3))]
)
def test_transposed_convolutions_that_tile(size, kernel, per_channel, is_dynamic):
    """Products, whose elements are moved to their places; scales and bias are repeated for a tile."""
    rng = np.random.default_rng(sum(size))
    graph, channels, filters = Graph(), 8, 5
    x = rng.integers(0, 256, (2, channels, *size)).astype(np.uint8)
    dims = ["n", channels, *(f"d{i}" for i in range(len(size)))] if is_dynamic else x.shape
    w = rng.integers(-127, 128, (channels, filters, *kernel)).astype(np.int8)
    sw = rng.uniform(0.01, 0.05, filters if per_channel else ()).astype(np.float32)
    bias = graph.constant(rng.integers(-900, 900, filters), np.int32)
    axis = lambda at: {"axis": at} if per_channel else {}
    y = graph.node(
        "ConvTranspose",
        graph.dq(graph.input(TensorProto.UINT8, dims), 0.0173, 119, np.uint8),
        graph.dq(graph.constant(w), sw, 0 * sw, np.int8, **axis(1)),
        graph.dq(bias, sw * np.float32(0.0173), 0 * sw, np.int32, **axis(0)),
        strides=kernel,
    )
    activated = graph.node("Relu", y)
    graph.output(graph.q(y, 0.317, 131, np.uint8), np.uint8)
    sigmoid = graph.node("Sigmoid", graph.dq(graph.q(activated, 0.217, 3, np.uint8), 0.217, 3, np.uint8))
    graph.output(graph.q(sigmoid, 1 / 256, 1, np.uint8), np.uint8)
    check_equal(graph, x)
    if is_dynamic:
        check_equal(graph, np.concatenate([x, x[:, :, :1]], axis=2)[:1])


@pytest.mark.parametrize("filters, kernel", [(1, (2, 2)), (3, (4,))])
def test_tiling_floats(filters, kernel):
    rng = np.random.default_rng(filters)
    graph = Graph()
    x = rng.normal(size=(2, 6, *(5 for _ in kernel))).astype(np.float32)
    y = graph.node(
        "ConvTranspose",
        graph.input(x),
        graph.constant(rng.normal(size=(6, filters, *kernel)), np.float32),
        graph.constant(rng.normal(size=filters), np.float32),
        strides=kernel,
    )
    graph.output(graph.node("Sigmoid", y), np.float32)
    expected, (result,) = run_reference(graph.model(), [x])[0], quantc.compile(graph.model()).run([x])
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize(
    "op, attributes",
    [
        ("AveragePool", {"kernel_shape": [2, 2]}),
        ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
        ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
        ("GlobalAveragePool", {}),
        ("MaxPool", {"kernel_shape": [2, 3], "pads": [1, 1, 0, 1]}),
        ("Softmax", {"axis": -1}),
        ("Softmax", {"axis": 1}),
    ],
)
def test_pools_and_softmax(op, attributes, dtype):
    rng = np.random.default_rng(17)
    x = rng.integers(0, 256, (2, 5, 7, 9)).astype(np.uint8).view(dtype)
    graph = Graph()
    value = graph.input(x)
    for i in range(6):
        (scale, zero), (sy, zy) = random_parameters(rng, dtype), random_parameters(rng, dtype)
        if op == "Softmax":
            sy, zy = (1 / 256, 1 / 255, 0.003)[i % 3], np.iinfo(dtype).min
        elif op == "MaxPool":
            sy, zy = scale, zero
        real = graph.node(op, graph.dq(value, scale, zero, dtype), **attributes)
        graph.output(graph.q(real, sy, zy, dtype), dtype)
    check_equal(graph, x)


@pytest.mark.parametrize("op, gates", [("LSTM", 4), ("GRU", 3)])
def test_weights_of_recurrent_ops(op, gates, tmp_path, quantc_cli, quant_opt):
    """They stay bytes, in the loop, too."""
    rng = np.random.default_rng(29)
    graph, hidden, size = Graph(), 32, 24
    x = rng.normal(size=(5, 2, size)).astype(np.float32)
    w, r = (rng.integers(-128, 128, (1, gates * hidden, n)).astype(np.int8) for n in (size, hidden))
    weights = (graph.dq(graph.constant(v), s, 0, np.int8) for v, s in ((w, 0.003), (r, 0.002)))
    bias = graph.constant(rng.normal(size=(1, 2 * gates * hidden)) * 0.1, np.float32)
    graph.output(graph.node(op, graph.input(x), *weights, bias, hidden_size=hidden), np.float32)
    model = graph.model()
    (ours,), (theirs,) = quantc.compile(model).run(x), run_reference(model, [x])
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-5, atol=1e-6)

    path = tmp_path / "recurrent.onnx"
    path.write_bytes(model.SerializeToString())
    quantc_cli.ok("compile", path, "--emit=import", "-o", tmp_path / "recurrent.mlir")
    lowered = quant_opt.ok(tmp_path / "recurrent.mlir", "--qnn-optimize=verify-folded")
    assert "qnn.matmul" not in lowered and "qnn.dequantize" not in lowered


# --- random graphs ------------------------------------------------------------


@st.composite
def graphs(draw):
    """A chain of quantized layers with movement and residual sums between."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.uint8, np.int8]))
    graph = Graph()
    m, k = draw(st.integers(1, 9)), draw(st.integers(1, 40))
    x = rng.integers(0, 256, (m, k)).astype(np.uint8).view(dtype)
    value, (scale, zero) = graph.input(x), random_parameters(rng, dtype)
    shape = (m, k)
    for step in draw(st.lists(st.sampled_from(["matmul", "gemm", "add", "mul", "move", "relu", "gate", "join"]), max_size=6)):
        if step in ("matmul", "gemm"):
            n = draw(st.integers(1, 24))
            options = draw(st.booleans()), step == "gemm", draw(st.booleans())
            value, scale, zero = add_matmul(graph, rng, value, shape[1], n, dtype, np.int8, scale, zero, *options)
            shape = (shape[0], n)
        elif step in ("add", "mul"):
            other = graph.constant(rng.integers(0, 256, shape).astype(np.uint8).view(dtype))
            so, zo = random_parameters(rng, dtype)
            real = graph.node(step.title(), graph.dq(value, scale, zero, dtype), graph.dq(other, so, zo, dtype))
            sy, zy = random_parameters(rng, dtype)
            value, scale, zero = graph.q(real, sy, zy, dtype), sy, zy
        elif step == "move":
            real = graph.node("Transpose", graph.dq(value, scale, zero, dtype), perm=[1, 0])
            value, shape = graph.q(real, scale, zero, dtype), shape[::-1]
        elif step == "relu":
            value = graph.q(graph.node("Relu", graph.dq(value, scale, zero, dtype)), scale, zero, dtype)
        elif step == "gate":
            sg, zg = random_parameters(rng, dtype)
            gate = graph.node("HardSigmoid", graph.dq(value, scale, zero, dtype))
            gate = graph.dq(graph.q(gate, sg, zg, dtype), sg, zg, dtype)
            real = graph.node("Mul", graph.dq(value, scale, zero, dtype), gate)
            sy, zy = random_parameters(rng, dtype)
            value, scale, zero = graph.q(real, sy, zy, dtype), sy, zy
        else:
            real = graph.dq(value, scale, zero, dtype)
            real = graph.node("Concat", real, real, axis=1)
            sy, zy = random_parameters(rng, dtype)
            value, scale, zero, shape = graph.q(real, sy, zy, dtype), sy, zy, (shape[0], 2 * shape[1])
    graph.output(graph.q(graph.dq(value, scale, zero, dtype), scale, zero, dtype), dtype)
    return graph, x


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_random_graphs(case):
    check_equal(*case)


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize(
    "shape", [(0,), (1,), (1024,), (1025,), (5000, 1), (700, 4), (3, 1024), (2, 9, 768), (4, 0)]
)
def test_dynamic_quantization(shape, is_known, rng):
    """The range is that of all elements, wherever its ends lie."""
    dims = ", ".join(str(size) if is_known else f"d{i}" for i, size in enumerate(shape))
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 20]>'
        f" g (float[{dims}] x) => (uint8[{dims}] y, float s, uint8 z) {{ y, s, z = DynamicQuantizeLinear (x) }}"
    )
    compiled = quantc.compile(model)
    x = rng.standard_normal(shape).astype(np.float32)
    size = x.size
    for low, high in [(0, size - 1), (size - 1, 0), (size // 2, size // 3)] if size > 1 else [(0, 0)]:
        ends = x.copy()
        if size:
            ends.flat[high], ends.flat[low] = 11, -9
        least, greatest = min(ends.min(initial=0), 0), max(ends.max(initial=0), 0)
        _, scale, zero = compiled.run({"x": ends})
        expected = np.float32(greatest - least) / np.float32(255) or np.float32(1)
        assert scale == expected
        assert zero == np.round(np.clip(-least / expected, 0, 255))
