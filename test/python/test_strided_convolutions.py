"""Convolutions with strides and padding, whose windows at the border are packed in vectors with masks, against ONNX
Runtime. All numbers are small integers, so that sums are exact in any order."""

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import quantc

FORMS = st.fixed_dictionaries(
    {
        "image": st.tuples(st.integers(1, 9), st.integers(1, 45)),
        "kernel": st.tuples(st.integers(1, 3), st.integers(1, 5)),
        "strides": st.tuples(st.integers(1, 2), st.integers(1, 3)),
        "dilations": st.tuples(st.integers(1, 2), st.integers(1, 3)),
        "pads": st.tuples(*[st.integers(0, 3)] * 4),
        "groups": st.sampled_from([1, 3]),
        # The last block of rows may lack none, one, or most.
        "filters": st.sampled_from([2, 6, 7, 8, 9, 13, 20]),
        "is_dynamic": st.booleans(),
        "seed": st.integers(0, 1000),
    }
)


# SSE has no vectors with masks.
@pytest.mark.parametrize("target", ["native", "x86-64"])
@given(form=FORMS)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_any_form(target, form):
    extents = [(size - 1) * dilation + 1 for size, dilation in zip(form["kernel"], form["dilations"])]
    before, behind = form["pads"][:2], form["pads"][2:]
    assume(all(size + a + b >= extent for size, a, b, extent in zip(form["image"], before, behind, extents)))
    rng = np.random.default_rng(form["seed"])
    groups, channels = form["groups"], 3 * form["groups"]
    x = rng.integers(-4, 5, (2, channels, *form["image"])).astype(np.float32)
    w = rng.integers(-4, 5, (form["filters"] * groups, 3, *form["kernel"])).astype(np.float32)
    attributes = {name: form[name] for name in ("strides", "dilations", "pads")}
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], group=groups, **attributes)],
        "strided",
        [
            helper.make_tensor_value_info(
                "x", TensorProto.FLOAT, ["batch", channels, "height", "width"] if form["is_dynamic"] else x.shape
            )
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(w, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": x})[0]
    np.testing.assert_array_equal(quantc.compile(model, target=target).run([x])[0], expected)
