"""Convolutions between which channels are innermost: chains of any form against
ONNX Runtime. All numbers are small integers, so that sums are exact in any order."""

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper, save

import quantc

CHANNELS = 192  # With fewer, transposes at the borders would cost more than is gained.

FORMS = st.fixed_dictionaries(
    {
        "filters": st.sampled_from([CHANNELS, 176, 199]),
        "image": st.tuples(st.integers(1, 9), st.integers(1, 17)),
        "kernel": st.tuples(st.integers(2, 3), st.integers(1, 4)),
        "strides": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "dilations": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "pads": st.tuples(*[st.integers(0, 3)] * 4),
        "window": st.tuples(st.integers(1, 5), st.integers(1, 4)),
        "window_strides": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "batch": st.integers(1, 2),
        "has_batch": st.booleans(),
        "has_sizes": st.booleans(),
        "axis": st.integers(0, 3),
        "seed": st.integers(0, 1000),
    }
)


def make_model(form, path):
    """A convolution of the form, two more around which a residual goes, two images
    joined, a maximum over windows, and one over all; outputs are the middle and the end."""
    rng = np.random.default_rng(form["seed"])
    filters = form["filters"]
    constants = {
        "w0": rng.integers(-1, 2, (filters, CHANNELS, *form["kernel"])),
        "w1": rng.integers(-1, 2, (CHANNELS, filters, 3, 3)),
        "w2": rng.integers(-1, 2, (CHANNELS, CHANNELS, 3, 3)),
        "b0": rng.integers(-9, 10, filters),
        "scale": rng.integers(-2, 3, (CHANNELS, 1, 1)),
    }
    same = {"pads": [1, 1, 1, 1]}
    form_of = {name: form[name] for name in ("strides", "dilations", "pads")}
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], **form_of),
        helper.make_node("Clip", ["c0", "low", "high"], ["r0"]),
        helper.make_node("Conv", ["r0", "w1"], ["c1"], **same),
        helper.make_node("Clip", ["c1", "low", "high"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], **same),
        helper.make_node("Mul", ["r1", "scale"], ["r2"]),
        helper.make_node("Add", ["c2", "r2"], ["added"]),
        helper.make_node("Concat", ["added", "r1"], ["sum"], axis=form["axis"]),
        helper.make_node(
            "MaxPool", ["sum"], ["pool"],
            kernel_shape=form["window"], strides=form["window_strides"], pads=[size // 2 for size in form["window"] * 2],
        ),
        helper.make_node("ReduceMax", ["pool"], ["y"], axes=[2, 3], keepdims=0),
    ]  # fmt: skip
    initializers = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    initializers += [
        numpy_helper.from_array(np.float32(-2), "low"),
        numpy_helper.from_array(np.float32(3), "high"),
    ]
    batch = form["batch"] if form["has_batch"] else "batch"
    sizes = form["image"] if form["has_sizes"] else ("height", "width")
    shape = [batch, CHANNELS, *sizes]
    graph = helper.make_graph(
        nodes, "chain", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("r1", "y")], initializers,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, path)
    return rng.integers(-2, 3, (form["batch"], CHANNELS, *form["image"])).astype(np.float32)


def make_byte_model(form, path):
    """Quantized convolutions of few channels and of many, whose result is small."""
    rng = np.random.default_rng(form["seed"])
    channels, filters = form["channels"], form["filters"] - 64
    unsigned, unsigned_weights = form["types"]
    kind = np.uint8 if unsigned else np.int8
    zero = kind(130 if unsigned else -3)
    constants = {"zero": zero, "scale": np.float32(0.04)}

    def convolve(name, source, shape, bias, **attributes):
        # Of 7 bits, since ONNX Runtime's sums of pairs saturate on some machines.
        weights = rng.integers(-64, 64, shape)
        zeros = 120 if unsigned_weights else 0
        constants[name + "w"] = (weights + zeros).astype(np.uint8 if unsigned_weights else np.int8)
        constants[name + "z"] = constants[name + "w"].dtype.type(zeros)
        constants[name + "s"] = np.float32(0.3 / np.sqrt(np.prod(shape[1:])) / 37)
        names = [source, "scale", "zero", name + "w", name + "s", name + "z", "scale", "zero"]
        if bias:
            constants[name + "b"] = rng.integers(-500, 500, shape[0]).astype(np.int32)
            names.append(name + "b")
        return helper.make_node("QLinearConv", names, [name], **attributes)

    nodes = [
        convolve(
            "a", "x", (filters, channels, *form["kernel"]), True,
            **{name: form[name] for name in ("strides", "dilations", "pads")},
        ),
        convolve("b", "a", (filters, filters, 3, 3), False, pads=[1, 1, 1, 1]),
        convolve("c", "b", (filters, filters, 1, 1), True),
        helper.make_node(
            "MaxPool", ["c"], ["pool"],
            kernel_shape=form["window"], strides=[9, 9], pads=[size // 2 for size in form["window"] * 2],
        ),
    ]  # fmt: skip
    batch = form["batch"] if form["has_batch"] else "batch"
    sizes = form["image"] if form["has_sizes"] else ("height", "width")
    element = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    graph = helper.make_graph(
        nodes, "bytes", [helper.make_tensor_value_info("x", element, [batch, channels, *sizes])],
        [helper.make_tensor_value_info("pool", element, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    info = np.iinfo(kind)
    return rng.integers(info.min, info.max + 1, (form["batch"], channels, *form["image"])).astype(kind)


def check(form, target, threads=1, make=make_model):
    sizes = zip(form["image"], form["pads"][:2], form["pads"][2:], form["kernel"], form["dilations"])
    if any(size + before + after <= (kernel - 1) * dilation for size, before, after, kernel, dilation in sizes):
        return  # No window fits.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chain.onnx"
        x = make(form, path)
        model = quantc.compile(path, target=target)
        model.set_num_threads(threads)
        expected = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})
        for ours, theirs in zip(model.run({"x": x}), expected):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("target", ["native", "x86-64-v3", "x86-64-v2"])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(form=FORMS)
def test_chains(target, form):
    check(form, target)


@pytest.mark.parametrize("target", ["native", "x86-64-v3", "x86-64-v2"])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(form=FORMS, channels=st.integers(1, 7), types=st.sampled_from([(True, False), (True, True), (False, False)]))
def test_bytes(target, form, channels, types):
    """Lines of windows that are no whole words, and both signs."""
    check({**form, "channels": channels, "types": types}, target, make=make_byte_model)


@pytest.mark.parametrize("has_sizes", [True, False])
def test_threads(has_sizes):
    """An image whose padded copy no stack holds, on two threads."""
    form = {
        "filters": CHANNELS, "image": (17, 40), "kernel": (3, 3), "strides": (1, 1), "dilations": (1, 1),
        "pads": (1, 1, 1, 1), "window": (3, 3), "window_strides": (2, 2), "batch": 2, "has_batch": False,
        "has_sizes": has_sizes, "axis": 1, "seed": 1,
    }  # fmt: skip
    check(form, "native", threads=2)


@pytest.mark.parametrize("size", [(17, 40), (18, 33), (7, 7)])
def test_between_pools_with_ceil_mode(size, tmp_path):
    """Images between two pools that pad some sizes only, as in SqueezeNet."""
    rng = np.random.default_rng(0)
    shapes = {"w0": (32, CHANNELS, 1, 1), "w1": (CHANNELS, 32, 1, 1), "w2": (CHANNELS, 32, 3, 3)}
    constants = [
        numpy_helper.from_array(rng.integers(-1, 2, shape).astype(np.float32), name) for name, shape in shapes.items()
    ]
    pool = {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}
    nodes = [
        helper.make_node("MaxPool", ["x"], ["p"], **pool),
        helper.make_node("Conv", ["p", "w0"], ["squeezed"]),
        helper.make_node("Conv", ["squeezed", "w1"], ["a"]),
        helper.make_node("Conv", ["squeezed", "w2"], ["b"], pads=[1] * 4),
        helper.make_node("Concat", ["a", "b"], ["joined"], axis=1),
        helper.make_node("MaxPool", ["joined"], ["y"], **pool),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", CHANNELS, "height", "width"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "fire", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, tmp_path / "fire.onnx")
    feed = {"x": rng.integers(-4, 5, (2, CHANNELS, *size)).astype(np.float32)}
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(quantc.compile(tmp_path / "fire.onnx").run(feed)[0], session.run(None, feed)[0])
