"""Transposed convolutions whose pads cut into the input, with sizes that come
at run time, and of nothing; against ONNX Runtime."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import quantc

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
EMPTY = {**CROPPED, "batch": 0, "pads": (0, 0, 0, 0), "strides": (3, 2)}


@pytest.mark.parametrize("dims", [None, ["n", "c", "h", "w"]], ids=["static", "dynamic"])
@example(form=CROPPED)
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
    group, rng = form["group"], np.random.default_rng(0)
    x = rng.standard_normal((form["batch"], 2 * group, *size)).astype(np.float32)
    w = rng.standard_normal((2 * group, 3, *kernel)).astype(np.float32)
    node = helper.make_node(
        "ConvTranspose", ["x", "w"], ["y"],
        strides=strides, dilations=dilations, pads=pads, output_padding=extra, group=group,
    )
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, dims or x.shape),
        helper.make_tensor_value_info("w", TensorProto.FLOAT, w.shape),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)]
    model = helper.make_model(
        helper.make_graph([node], "g", inputs, outputs), opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    )
    feed = {"x": x, "w": w}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (theirs,), (ours,) = session.run(None, feed), quantc.compile(model).run(feed)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
