"""Transposed tensors, alone and with what is computed on their way, equal numpy's: whole squares of elements are
transposed in registers, what is left of rows and columns is not."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

import quantc

EXTENTS = [1, 3, 7, 8, 9, 16, 17, 24, 33]
TYPES = [np.bool_, np.uint8, np.int8, np.int16, np.float16, np.int32, np.float32, np.int64]


@st.composite
def forms(draw):
    """A shape, the permutation of its dimensions, and those that are known when the model is compiled."""
    rank = draw(st.integers(2, 4))
    shape = draw(st.lists(st.sampled_from(EXTENTS), min_size=rank, max_size=rank))
    known = draw(st.lists(st.booleans(), min_size=rank, max_size=rank))
    return shape, draw(st.permutations(range(rank))), known


def run(nodes, form, x, result_type, others=(), initializers=(), **options):
    shape, perm, known = form

    def declare(name, array):
        dims = [size if fixed else None for size, fixed in zip(array.shape, known)]
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), dims)

    feeds = {"x": x, **dict(others)}
    graph = helper.make_graph(
        [helper.make_node("Transpose", ["x"], ["t"], perm=perm, name="transpose"), *nodes],
        "transposes",
        [declare(name, array) for name, array in feeds.items()],
        [helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(np.dtype(result_type)), None)],
        [numpy_helper.from_array(array, name) for name, array in initializers],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return quantc.compile(model.SerializeToString(), **options).run(feeds)[0]


many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(forms(), st.sampled_from(TYPES), st.sampled_from(["native", "x86-64"]))
def test_alone(form, dtype, target):
    shape, perm, _ = form
    x = np.random.default_rng(len(shape)).integers(0, 2 if dtype is np.bool_ else 100, shape).astype(dtype)
    y = run([helper.make_node("Identity", ["t"], ["y"])], form, x, dtype, target=target)
    np.testing.assert_array_equal(y, x.transpose(perm))


@many
@given(forms(), st.booleans())
def test_with_other_inputs(form, column):
    """One that is not transposed, and one number for each row, or for each column."""
    shape, perm, _ = form
    rng = np.random.default_rng(len(shape))
    x = rng.integers(-9, 9, shape).astype(np.float32)
    other = rng.integers(-9, 9, [shape[p] for p in perm]).astype(np.float32)
    line = rng.integers(-9, 9, other.shape[-1:] if column else [*other.shape[-2:-1], 1]).astype(np.float32)
    nodes = [helper.make_node("Mul", ["t", "other"], ["product"]), helper.make_node("Add", ["product", "line"], ["y"])]
    y = run(nodes, form, x, np.float32, [("other", other)], [("line", line)])
    np.testing.assert_array_equal(y, x.transpose(perm) * other + line)


@many
@given(forms())
def test_with_another_type(form):
    shape, perm, _ = form
    x = np.random.default_rng(len(shape)).integers(-200, 200, shape).astype(np.float32)
    parameters = [("scale", np.float32(0.5)), ("zero", np.int8(3))]
    nodes = [helper.make_node("QuantizeLinear", ["t", "scale", "zero"], ["y"])]
    y = run(nodes, form, x, np.int8, initializers=[(n, np.asarray(v)) for n, v in parameters])
    np.testing.assert_array_equal(y, np.clip(x.transpose(perm) * 2 + 3, -128, 127).astype(np.int8))


@pytest.mark.parametrize("threads", [1, 2])
def test_large(threads, rng):
    """So much that strips of columns are shared by threads."""
    x = rng.integers(0, 255, (1, 77, 1050, 33)).astype(np.uint8)
    nodes = [helper.make_node("Identity", ["t"], ["y"])]
    graph = helper.make_graph(
        [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]), *nodes],
        "large",
        [helper.make_tensor_value_info("x", 2, ["n", "h", "w", "c"])],
        [helper.make_tensor_value_info("y", 2, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    library = quantc.compile(model.SerializeToString())
    library.set_num_threads(threads)
    np.testing.assert_array_equal(library.run({"x": x})[0], x.transpose(0, 3, 1, 2))
