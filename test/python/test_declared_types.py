"""What a model declares of values other than its inputs may be false, as after a tool that made
the inputs' batch dynamic and nothing else. ONNX Runtime goes by what nodes give, and so do we."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc


def make_model(nodes, shape, output, values=(), initializers=()):
    """A model of one input and one output; `values` are names and shapes."""

    def info(name, dims, kind=TensorProto.FLOAT):
        return helper.make_tensor_value_info(name, kind, dims)

    graph = helper.make_graph(
        nodes,
        "claims",
        [info("x", shape)],
        [info("y", output)],
        value_info=[info(*value) for value in values],
        initializer=list(initializers),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def chain():
    return [helper.make_node("Relu", ["x"], ["m"], name="relu"), helper.make_node("Exp", ["m"], ["y"], name="exp")]


def run_reference(model, x):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # It warns of the same.
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def check(model, x, **options):
    expected = run_reference(model, x)
    (actual,) = quantc.compile(model, **options).run(x)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize("batch", ["n", "?", None, -1])
@pytest.mark.parametrize(
    "output,values",
    [
        ([1, 4], []),
        (["n", 4], [("m", [1, 4])]),
        ([1, 4], [("m", [1, 4])]),
        (["n", 5], []),
        (["n", 4, 1], []),
        (["n", 4], [("m", ["n"])]),
    ],
)
def test_false_shape(batch, output, values):
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    check(make_model(chain(), [batch, 4], output, values), x)


def test_pinned_batch():
    """The size that an input is given holds for what follows from it."""
    x = np.ones((3, 4), np.float32)
    check(make_model(chain(), ["n", 4], [1, 4]), x, shapes={"x": [3, 4]})


def test_false_size_elsewhere():
    """One size that cannot be makes others doubtful that nothing else contradicts."""
    nodes = [
        helper.make_node("Relu", ["x"], ["m"]),
        helper.make_node("Reshape", ["m", "rows"], ["r"]),
        helper.make_node("Exp", ["r"], ["y"]),
    ]
    rows = helper.make_tensor("rows", TensorProto.INT64, [2], [-1, 2])
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    check(make_model(nodes, ["n", 4], [2, 2], [("m", [1, 4]), ("r", [2, 2])], [rows]), x)


def test_true_sizes_are_kept():
    """Here a reshape's result is not known from inputs."""
    nodes = [helper.make_node("Reshape", ["x", "rows"], ["r"]), helper.make_node("Exp", ["r"], ["y"])]
    rows = helper.make_tensor("rows", TensorProto.INT64, [2], [-1, 2])
    model = quantc.compile(make_model(nodes, ["n", 4], [6, 2], [("r", [6, 2])], [rows]))
    assert list(model.outputs[0].shape) == [6, 2]


def test_in_branches():
    """A branch of If declares a batch of 1, too. ONNX Runtime believes that, and fails."""
    info = helper.make_tensor_value_info("b", TensorProto.FLOAT, [1, 4])
    branches = {
        name: helper.make_graph([helper.make_node(op, ["x"], ["b"])], name, [], [info])
        for name, op in (("then_branch", "Exp"), ("else_branch", "Relu"))
    }
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["y"], **branches),
    ]
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [], [0])
    model = quantc.compile(make_model(nodes, ["n", 4], ["n", 4], initializers=[zero]))
    x = np.ones((3, 4), np.float32)
    np.testing.assert_allclose(model.run(x)[0], np.exp(x), rtol=1e-6)
    np.testing.assert_array_equal(model.run(-x)[0], 0 * x)


def test_rank_that_only_we_infer():
    """ONNX infers no rank from a shape that is cut out of a larger one at unknown places."""
    nodes = [
        helper.make_node("Shape", ["x"], ["all"]),
        helper.make_node("Concat", ["all", "one"], ["longer"], axis=0),
        helper.make_node("Abs", ["longer"], ["shape"]),
        helper.make_node("Reshape", ["x", "shape"], ["y"], name="reshape"),
    ]
    one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    check(make_model(nodes, ["n", 4], ["n", "m"], initializers=[one]), np.ones((3, 4), np.float32))


def test_warning(tmp_path, quantc_cli):
    onnx.save(make_model(chain(), ["n", 4], [1, 4]), tmp_path / "model.onnx")
    result = quantc_cli("compile", tmp_path / "model.onnx", "-o", tmp_path / "model.so")
    assert "warning" in result.stderr
    assert "the model declares the shape [1, 4] for 'y', where its inputs lead to [n, 4]" in result.stderr


def test_false_element_type():
    model = make_model(chain(), ["n", 4], ["n", 4], [("m", ["n", 4], TensorProto.DOUBLE)])
    with pytest.raises(quantc.CompileError, match="relu"):
        quantc.compile(model)


def make_two_sizes():
    """A branch for inputs of 6 elements, one for 3, as a voice detector has for its two rates. How
    much they pad is computed as exporters write it."""

    def branch(name, amount, kernel):
        pads = numpy_helper.from_array(np.array([[0, 0], [0, 0], [0, amount]]), f"{name}_pads")
        nodes = [
            helper.make_node("Transpose", [f"{name}_pads"], [f"{name}_sides"], perm=[1, 0]),
            helper.make_node("Reshape", [f"{name}_sides", "all"], [f"{name}_flat"]),
            helper.make_node("Pad", ["x", f"{name}_flat"], [f"{name}_padded"]),
            helper.make_node("Conv", [f"{name}_padded", kernel], [f"{name}_frames"]),
            helper.make_node("Squeeze", [f"{name}_frames", "last"], [name]),
        ]
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1])
        return helper.make_graph(nodes, name, [], [output], initializer=[pads])

    rng = np.random.default_rng(3)
    constants = {"all": np.array([-1]), "last": np.array([2])}
    for name, size in (("w8", 8), ("w4", 4)):
        constants[name] = rng.standard_normal((1, 1, size)).astype(np.float32)
    choice = helper.make_node("If", ["isLong"], ["y"], then_branch=branch("a", 2, "w8"), else_branch=branch("b", 1, "w4"))
    graph = helper.make_graph(
        [choice],
        "rates",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, "t"]),
            helper.make_tensor_value_info("isLong", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        initializer=[numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("size", [6, 3])
@pytest.mark.parametrize("isFixed", [True, False])
def test_branch_for_another_size(size, isFixed, rng):
    """For one size, the other branch contradicts itself: no error where it is not taken."""
    model = make_two_sizes()
    library = quantc.compile(model, shapes={"x": [2, 1, size]} if isFixed else None)
    feed = {"x": rng.standard_normal((2, 1, size)).astype(np.float32), "isLong": np.array(size == 6)}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, feed)[0]
    np.testing.assert_allclose(library.run(feed)[0], expected, rtol=1e-5)
    with pytest.raises(quantc.RunError):
        library.run({**feed, "isLong": np.array(size != 6)})
