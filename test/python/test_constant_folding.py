"""What is computed when a model is compiled, against what its library computes."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc


def compute(nodes, x, constant):
    """What `nodes` make of the tensor x, which is a constant or an input, as y."""
    elem = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        nodes,
        "graph",
        [] if constant else [helper.make_tensor_value_info("x", elem, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)],
        [numpy_helper.from_array(x, "x")] if constant else [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return quantc.compile(model).run({} if constant else {"x": x})[0]


@pytest.mark.parametrize("exponent", [-1, -0.5, 0.5, 2, 3, 1.7])
def test_powers(rng, exponent):
    x = np.abs(rng.standard_normal(20_000) * 10).astype(np.float32)
    power = helper.make_tensor("p", TensorProto.FLOAT, [], [exponent])
    nodes = [
        helper.make_node("Constant", [], ["p"], value=power),
        helper.make_node("Pow", ["x", "p"], ["y"]),
    ]
    np.testing.assert_array_equal(compute(nodes, x, constant=True), compute(nodes, x, constant=False))


@pytest.mark.parametrize("kind", ["ReduceSum", "ReduceMean", "ReduceSumSquare", "ReduceL2"])
@pytest.mark.parametrize("axis", [1, 2])
def test_sums(rng, kind, axis):
    x = rng.standard_normal((8, 33, 35)).astype(np.float32)
    axes = helper.make_tensor("a", TensorProto.INT64, [1], [axis])
    nodes = [helper.make_node("Constant", [], ["a"], value=axes), helper.make_node(kind, ["x", "a"], ["y"])]
    np.testing.assert_array_equal(compute(nodes, x, constant=True), compute(nodes, x, constant=False))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("narrow", ["FLOAT16", "BFLOAT16"])
def test_narrow_floats(rng, capfd, dtype, narrow):
    """LLVM calls functions for these that not every process has."""
    x = rng.standard_normal((30, 40)).astype(dtype)
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=getattr(TensorProto, narrow)),
        helper.make_node("Transpose", ["h"], ["t"], perm=[1, 0]),
        helper.make_node("Cast", ["t"], ["y"], to=TensorProto.FLOAT),
    ]
    folded = compute(nodes, x, constant=True)
    np.testing.assert_array_equal(folded, compute(nodes, x, constant=False))
    assert capfd.readouterr().err == ""
