"""Transposed convolutions whose pads cut into the input, with sizes that come
at run time, and of nothing; against ONNX Runtime."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import quantc
from real_models import reference

FORMS = st.fixed_dictionaries(
    {
        "batch": st.integers(0, 2),
        "size": st.tuples(st.integers(1, 9), st.integers(1, 9)),
        "kernel": st.tuples(st.integers(1, 4), st.integers(1, 5)),
        "strides": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "dilations": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "pads": st.tuples(*[st.integers(0, 4)] * 4),
        "extra": st.tuples(st.integers(0, 2), st.integers(0, 2)),
        "group": st.integers(1, 3),
    }
)
# The pads of a dimension are larger than what its windows reach.
CROPPED = {
    "batch": 1, "size": (9, 9), "kernel": (1, 5), "strides": (1, 1), "dilations": (1, 1), "pads": (2, 1, 2, 0),
    "extra": (0, 0), "group": 2,
}  # fmt: skip
# And larger than the input with the zeros between its elements.
CROPPED_AWAY = {
    **CROPPED, "size": (1, 4), "kernel": (1, 1), "strides": (3, 1), "pads": (2, 0, 0, 0), "extra": (2, 0), "group": 1,
}  # fmt: skip
NO_LINES = {**CROPPED_AWAY, "size": (0, 4), "kernel": (3, 1), "strides": (2, 1), "pads": (0,) * 4, "extra": (0, 0)}
EMPTY = {**CROPPED, "batch": 0, "pads": (0, 0, 0, 0), "strides": (3, 2)}


def make_model(dims, form):
    group, rng = form["group"], np.random.default_rng(0)
    x = rng.standard_normal((form["batch"], 2 * group, *form["size"])).astype(np.float32)
    w = rng.standard_normal((2 * group, 3, *form["kernel"])).astype(np.float32)
    node = helper.make_node(
        "ConvTranspose", ["x", "w"], ["y"], strides=form["strides"], dilations=form["dilations"], pads=form["pads"],
        output_padding=form["extra"], group=group,
    )  # fmt: skip
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, dims or x.shape),
        helper.make_tensor_value_info("w", TensorProto.FLOAT, w.shape),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)]
    model = helper.make_model(
        helper.make_graph([node], "g", inputs, outputs), opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    )
    return model, {"x": x, "w": w}


@pytest.mark.parametrize("dims", [None, ["n", "c", "h", "w"]], ids=["static", "dynamic"])
@example(form=CROPPED)
@example(form=CROPPED_AWAY)
@example(form=NO_LINES)
@example(form=EMPTY)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(form=FORMS)
def test_pads(dims, form):
    size, kernel, strides, dilations, pads, extra = (
        form[name] for name in ("size", "kernel", "strides", "dilations", "pads", "extra")
    )
    for i in (0, 1):
        assume(extra[i] < strides[i])
        reach = strides[i] * (size[i] - 1) + (kernel[i] - 1) * dilations[i] + 1 + extra[i]
        assume(reach > pads[i] + pads[i + 2])
    model, feed = make_model(dims, form)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (theirs,), (ours,) = session.run(None, feed), quantc.compile(model).run(feed)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dims", [None, ["n", "c", "h", "w"]], ids=["static", "dynamic"])
@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
@example(form={**NO_LINES, "size": (3, 4), "kernel": (1, 2), "strides": (3, 3), "extra": (0, 1)})
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(form=FORMS)
def test_auto_pads(dims, auto_pad, form):
    """Kernels below the stride reach less than stride · size, and no pads are negative."""
    assume(form["batch"] and all(form["extra"][i] < form["strides"][i] for i in (0, 1)))
    model, feed = make_model(dims, form)
    attributes = model.graph.node[0].attribute
    attributes.remove(next(a for a in attributes if a.name == "pads"))
    attributes.append(helper.make_attribute("auto_pad", auto_pad))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (theirs,), (ours,) = session.run(None, feed), quantc.compile(model).run(feed)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


# ONNX Runtime has no results of nothing.
@pytest.mark.parametrize("dims", [None, ["n", "c", "h", "w"]], ids=["static", "dynamic"])
def test_no_lines_of_no_lines(dims):
    form = {**NO_LINES, "kernel": (4, 1), "strides": (3, 1), "pads": (1, 0, 0, 0)}
    model, feed = make_model(dims, form)
    assert quantc.compile(model).run(feed)[0].shape == (1, 3, 0, 4)


def test_kernel_that_tiles_nothing():
    model, feed = make_model(None, {**NO_LINES, "kernel": (2, 1)})
    assert quantc.compile(model).run(feed)[0].shape == (1, 3, 0, 4)


@pytest.mark.parametrize(
    "change", [{"kernel": (1, 1)}, {"size": (1, 4), "strides": (1, 1), "pads": (2, 0, 2, 0)}], ids=["no-lines", "pads"]
)
def test_negative_size(change):
    model, feed = make_model(["n", "c", "h", "w"], {**NO_LINES, **change})
    with pytest.raises(quantc.RunError, match="node 'ConvTranspose_0': the result has a negative size"):
        quantc.compile(model).run(feed)


def test_a_zero_point_for_each_channel(tmp_path):
    """Kernels that overlap, and kernels that tile the result; ours, and the graph that we export, beside floats."""
    rng = np.random.default_rng(0)
    shapes = {"w0": (4, 6, 4, 4), "w1": (6, 3, 2, 2)}
    weights = [numpy_helper.from_array(rng.uniform(-0.1, 0.4, s).astype(np.float32), n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w0"], ["h"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("ConvTranspose", ["r", "w1"], ["y"], strides=[2, 2]),
    ]
    tensor = helper.make_tensor_value_info
    inputs = [tensor("x", TensorProto.FLOAT, [1, 4, 5, 5])]
    outputs = [tensor("y", TensorProto.FLOAT, [1, 3, 20, 20])]
    opset = [helper.make_opsetid("", 18)]
    path, exported = tmp_path / "model.onnx", tmp_path / "exported.onnx"
    path.write_bytes(
        helper.make_model(
            helper.make_graph(nodes, "g", inputs, outputs, weights), opset_imports=opset, ir_version=9
        ).SerializeToString()
    )
    recipe = quantc.Recipe("w8a8-asym", slower_layers="integer")
    feeds = [{"x": rng.standard_normal((1, 4, 5, 5)).astype(np.float32)} for _ in range(4)]
    library = quantc.compile(path, quantize=recipe, calibration=feeds)
    quantc.export(path, exported, quantize=recipe, calibration=feeds)
    for feed in feeds:
        (ours,), (theirs,), (floats,) = library.run(feed), reference(exported)(feed), reference(path)(feed)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())
        assert np.linalg.norm(ours - floats) < 0.02 * np.linalg.norm(floats)
