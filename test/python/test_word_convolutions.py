"""Convolutions that read their image in words of four channels, of any form and
on each dot product that this machine can run, against exact arithmetic."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from onnx import helper
from test_integer_products import TYPES, compile_nodes, convolve, random_bytes, subtract, wrap


FORMS = st.fixed_dictionaries(
    {
        "channels": st.integers(3, 13),
        "filters": st.integers(1, 33),
        "image": st.tuples(st.integers(1, 19), st.integers(1, 40)),
        "kernel": st.tuples(st.integers(1, 4), st.integers(1, 5)),
        "strides": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "dilations": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "pads": st.tuples(*[st.integers(0, 3)] * 4),
        "group": st.integers(1, 2),
        "batch": st.integers(1, 2),
        "signs": st.sampled_from(["us", "ss", "uu", "su"]),
        "zero": st.sampled_from([0, -3]),
        "is_line": st.booleans(),
        "seed": st.integers(0, 1000),
    }
)

# A single element a window, and padding behind the last one only.
PADDED_BEHIND = {
    "channels": 3, "filters": 2, "image": (1, 1), "kernel": (1, 1), "strides": (1, 1), "dilations": (1, 1),
    "pads": (0, 0, 0, 1), "group": 1, "batch": 1, "signs": "us", "zero": 0, "is_line": True, "seed": 0,
}  # fmt: skip


def check(form, target, threads=1):
    channels, filters = form["channels"] * form["group"], form["filters"] * form["group"]
    image, kernel, strides, dilations, pads = (
        form[name] for name in ("image", "kernel", "strides", "dilations", "pads")
    )
    if form["is_line"]:
        image, kernel, strides, dilations = ((1, x[1]) for x in (image, kernel, strides, dilations))
        pads = (0, pads[1], 0, pads[3])
    if any(image[i] + pads[i] + pads[i + 2] <= (kernel[i] - 1) * dilations[i] for i in (0, 1)):
        return  # No window fits.
    signs, rng = form["signs"], np.random.default_rng(form["seed"])
    x = random_bytes(rng, signs[0], (form["batch"], channels, *image))
    w = random_bytes(rng, signs[1], (filters, form["channels"], *kernel))
    zx = TYPES[signs[0]](7)
    zw = TYPES[signs[1]](form["zero"] if signs[1] == "s" else 128 + form["zero"])
    expected = wrap(convolve(subtract(x, zx), subtract(w, zw), strides, dilations, pads, form["group"]))
    if form["is_line"]:
        x, w, expected = x[:, :, 0], w[:, :, 0], expected[:, :, 0]
        strides, dilations, pads = strides[1:], dilations[1:], (pads[1], pads[3])
    node = helper.make_node(
        "ConvInteger", ["x", "w", "zx", "zw"], ["y"],
        strides=strides, dilations=dilations, pads=pads, group=form["group"],
    )
    constants = {"w": w, "zx": np.array(zx), "zw": np.array(zw)}
    sizes = [f"n{i}" for i in range(2, x.ndim)]
    with tempfile.TemporaryDirectory() as folder:
        for shape in (x.shape, (*x.shape[:2], *sizes)):
            model = compile_nodes(
                [node], [("x", x.dtype, shape)], constants,
                ("y", np.int32, (*expected.shape[:2], *[f"o{i}" for i in sizes])), target, Path(folder),
            )
            model.set_num_threads(threads)
            (y,) = model.run({"x": x})
            np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("target", ["native", "x86-64-v3", "x86-64-v2"])
@example(form=PADDED_BEHIND)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(form=FORMS)
def test_forms(target, form):
    check(form, target)


@pytest.mark.parametrize("kernel, strides", [((3, 3), (1, 1)), ((3, 3), (2, 2)), ((1, 1), (1, 1)), ((1, 1), (2, 2))])
def test_large_image(kernel, strides):
    """More than a stack holds, on two threads."""
    form = {
        "channels": 26, "filters": 40, "image": (57, 61), "kernel": kernel, "strides": strides, "dilations": (1, 1),
        "pads": (kernel[0] // 2,) * 4, "group": 1, "batch": 2, "signs": "us", "zero": 0, "is_line": False, "seed": 1,
    }  # fmt: skip
    check(form, "native", threads=2)


@pytest.mark.parametrize("target", ["native", "x86-64-v3", "x86-64-v2"])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(form=FORMS, has_residual=st.booleans())
def test_floats(target, form, has_residual):
    """Of small integers, so that sums are exact, with what follows in the kernel."""
    channels, filters = form["channels"] * form["group"], form["filters"] * form["group"]
    image, kernel, dilations, pads = (form[name] for name in ("image", "kernel", "dilations", "pads"))
    strides = (1, 1) if form["zero"] else form["strides"]  # what stays in place has no other
    if any(image[i] + pads[i] + pads[i + 2] <= (kernel[i] - 1) * dilations[i] for i in (0, 1)):
        return  # No window fits.
    rng = np.random.default_rng(form["seed"])
    x = rng.integers(-9, 10, (form["batch"], channels, *image))
    w = rng.integers(-9, 10, (filters, form["channels"], *kernel))
    expected = convolve(x, w, strides, dilations, pads, form["group"])
    residual = rng.integers(-9, 10, expected.shape)
    nodes = [
        helper.make_node(
            "Conv", ["x", "w"], ["c"], strides=strides, dilations=dilations, pads=pads, group=form["group"]
        ),
        helper.make_node("Add", ["c", "r"], ["a"]),
        helper.make_node("Relu", ["a" if has_residual else "c"], ["y"]),
    ]
    if not has_residual:
        del nodes[1]
    inputs = {"x": x, "r": residual} if has_residual else {"x": x}
    with tempfile.TemporaryDirectory() as folder:
        model = compile_nodes(
            nodes, [(name, np.float32, array.shape) for name, array in inputs.items()],
            {"w": w.astype(np.float32)}, ("y", np.float32, expected.shape), target, Path(folder),
        )
        (y,) = model.run({name: array.astype(np.float32) for name, array in inputs.items()})
    np.testing.assert_array_equal(y, np.maximum(expected + has_residual * residual, 0))


@pytest.mark.parametrize("target", ["native", "x86-64-v3", "x86-64-v2"])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(form=FORMS)
def test_planes_of_floats(target, form):
    """One filter of one channel each, over images of known and of any size."""
    channels = form["channels"]
    image, kernel, strides, dilations, pads = (
        form[name] for name in ("image", "kernel", "strides", "dilations", "pads")
    )
    if any(image[i] + pads[i] + pads[i + 2] <= (kernel[i] - 1) * dilations[i] for i in (0, 1)):
        return  # No window fits.
    rng = np.random.default_rng(form["seed"])
    x = rng.integers(-9, 10, (form["batch"], channels, *image))
    w = rng.integers(-9, 10, (channels, 1, *kernel))
    expected = convolve(x, w, strides, dilations, pads, channels)
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=strides, dilations=dilations, pads=pads, group=channels)
    with tempfile.TemporaryDirectory() as folder:
        for sizes in (image, ("h", "w")):
            model = compile_nodes(
                [node], [("x", np.float32, ("n", channels, *sizes))], {"w": w.astype(np.float32)},
                ("y", np.float32, ("n", channels, "oh", "ow")), target, Path(folder),
            )
            (y,) = model.run({"x": x.astype(np.float32)})
            np.testing.assert_array_equal(y, expected)
