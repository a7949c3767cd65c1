"""Running sums, extrema, and ops that repeat what is there, against ONNX Runtime: all kinds of
types, axes and sizes, those of the run too."""

import numpy as np
import onnxruntime
import pytest
from onnx import helper, numpy_helper

import quantc


def compare(op, cases, constants=(), dynamic=False, output=None):
    """Runs one node for each case, which is its inputs and attributes; inputs whose numbers are
    among `constants` are constants of the model. Gives what ONNX Runtime computes."""
    inputs, initializers, nodes, outputs, feeds = [], [], [], [], {}
    for case, (arrays, attributes) in enumerate(cases):
        names = [f"x{case}_{i}" for i in range(len(arrays))]
        for i, (name, array) in enumerate(zip(names, arrays, strict=True)):
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            if i in constants:
                initializers.append(numpy_helper.from_array(array, name))
                continue
            shape = [f"{name}_{d}" for d in range(array.ndim)] if dynamic else array.shape
            inputs.append(helper.make_tensor_value_info(name, kind, shape))
            feeds[name] = array
        result = helper.np_dtype_to_tensor_dtype(np.dtype(output or arrays[0].dtype))
        nodes.append(helper.make_node(op, names, [f"y{case}"], f"node{case}", **attributes))
        outputs.append(helper.make_tensor_value_info(f"y{case}", result, None))
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, feeds)
    for mine, theirs in zip(quantc.compile(model).run(feeds), expected, strict=True):
        assert mine.shape == theirs.shape and mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)
    return expected


def some(rng, dtype, shape):
    if np.dtype(dtype).kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 20, shape).astype(dtype)


# running sums


FLAGS = [{"reverse": r, "exclusive": e} for r in (0, 1) for e in (0, 1)]


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -2, -1])
def test_running_sums(rng, axis, dynamic):
    for dtype in (np.float32, np.int64):
        x = some(rng, dtype, (3, 5, 4, 19))
        compare("CumSum", [([x, np.array(axis)], flags) for flags in FLAGS], [1], dynamic)


@pytest.mark.parametrize("dtype", [np.float64, np.int32])
def test_running_sums_of_shapes(rng, dtype):
    forms = [((7,), 0), ((40, 3), 0), ((2, 33), 1), ((3, 0, 4), 2), ((0, 4), 0)]
    cases = [([some(rng, dtype, shape), np.array(axis)], {}) for shape, axis in forms]
    compare("CumSum", cases, [1])
    compare("CumSum", cases, [1], dynamic=True)
    # An axis that the run tells.
    compare("CumSum", cases)


def test_running_sums_keep_nan(rng):
    x = some(rng, np.float32, (4, 6, 9))
    x[1, 2, 3] = np.nan
    x[2, 0, :] = np.inf
    compare("CumSum", [([x, np.array(axis)], {}) for axis in range(3)], [1])


# extrema


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int32", "int8", "uint8"])
def test_positions_of_extrema(rng, dtype, op, dynamic):
    """Few different values: most lines have several extrema."""
    cases = []
    for shape, axis in [((5, 80), -1), ((2, 3, 13), 2), ((4, 7), 1), ((6, 33, 5), 1), ((100,), 0)]:
        for last in (0, 1):
            x = rng.integers(0, 9, shape).astype(dtype) - (4 if dtype == "int8" else 0)
            attributes = {"axis": axis, "select_last_index": last, "keepdims": shape[0] % 2}
            cases.append(([x.astype(dtype)], attributes))
    compare(op, cases, dynamic=dynamic, output=np.int64)


@pytest.mark.parametrize("op, value", [("ArgMax", -np.inf), ("ArgMin", np.inf)])
def test_extrema_that_are_infinite(op, value):
    x = np.full((3, 20), value, np.float32)
    x[1, 7] = 0
    (y,) = compare(op, [([x], {"axis": 1, "keepdims": 0})], output=np.int64)
    assert list(y) == [0, 7, 0]


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
def test_first_nan_is_the_extremum(rng, op):
    """As in NumPy; ONNX Runtime leaves it to the compiler that built it."""
    x = some(rng, np.float32, (6, 37))
    for row, column in [(1, 0), (2, 5), (2, 30), (3, 36), (4, 35), (4, 36)]:
        x[row, column] = np.nan
    graph = helper.make_graph(
        [helper.make_node(op, ["x"], ["y"], axis=1, keepdims=0)],
        "g",
        [helper.make_tensor_value_info("x", 1, x.shape)],
        [helper.make_tensor_value_info("y", 7, [6])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    expected = (np.argmax if op == "ArgMax" else np.argmin)(x, 1)
    np.testing.assert_array_equal(quantc.compile(model).run([x])[0], expected)


def test_extrema_of_what_is_computed_in_rows(rng):
    """The position of the most likely class: a softmax and an extremum of the same rows."""
    x = some(rng, np.float32, (9, 45))
    graph = helper.make_graph(
        [
            helper.make_node("Softmax", ["x"], ["p"], axis=-1),
            helper.make_node("ArgMax", ["p"], ["y"], axis=-1, keepdims=0),
        ],
        "g",
        [helper.make_tensor_value_info("x", 1, ["n", 45])],
        [helper.make_tensor_value_info("p", 1, None), helper.make_tensor_value_info("y", 7, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    p, y = quantc.compile(model).run([x])
    np.testing.assert_array_equal(y, x.argmax(-1))
    np.testing.assert_array_equal(y, p.argmax(-1))


# tiles


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool"])
def test_tiles(rng, dtype):
    forms = [
        ((2, 3, 5), (2, 1, 3)),
        ((1, 4, 1), (3, 2, 5)),
        ((1, 1), (4, 7)),
        ((3, 1), (1, 1)),
        ((2, 3), (0, 2)),
        ((2, 0), (3, 2)),
        ((), ()),
    ]
    cases = [([some(rng, dtype, shape), np.array(repeats, np.int64)], {}) for shape, repeats in forms]
    compare("Tile", cases, [1])
    compare("Tile", cases, [1], dynamic=True)
    compare("Tile", cases, dynamic=True)


# pads


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8"])
@pytest.mark.parametrize("mode", ["reflect", "edge", "wrap"])
def test_pads_that_repeat(rng, dtype, mode):
    forms = [
        ((2, 3, 7, 9), (0, 0, 3, 2, 0, 0, 1, 4)),
        ((5, 6), (2, 0, 0, 3)),
        ((3, 4, 5), (1, 2, 3, 1, 0, 2)),
        ((12,), (11, 11)),
        ((6, 7), (-1, 2, 2, -3)),
        ((4, 5), (0, 0, 0, 0)),
    ]
    cases = [([some(rng, dtype, shape), np.array(pads)], {"mode": mode}) for shape, pads in forms]
    compare("Pad", cases, [1])
    compare("Pad", cases, [1], dynamic=True)
    compare("Pad", cases, dynamic=True)


def test_pads_of_nothing(rng):
    cases = [([np.zeros((0, 5), np.float32), np.array([0, 2, 0, 2])], {"mode": mode}) for mode in ("reflect", "edge")]
    compare("Pad", cases, [1])
    compare("Pad", cases, dynamic=True)


def test_pads_of_named_axes(rng):
    x, pads = some(rng, np.float32, (3, 8, 9)), np.array([2, 1, 0, 3])
    graph = helper.make_graph(
        [helper.make_node("Pad", ["x", "p", "", "a"], ["y"], mode="reflect")],
        "g",
        [helper.make_tensor_value_info("x", 1, ["a", "b", "c"]), helper.make_tensor_value_info("p", 7, [4])],
        [helper.make_tensor_value_info("y", 1, [None] * 3)],
        [helper.make_tensor("a", 7, [2], [-1, 0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    expected = np.pad(x, [(1, 3), (0, 0), (2, 0)], "reflect")
    np.testing.assert_array_equal(quantc.compile(model).run([x, pads])[0], expected)


# results


def test_joined_results_are_fresh(rng):
    """Two calls give two buffers, and a result that another op needs, too, stays as it is."""
    graph = helper.make_graph(
        [
            helper.make_node("Concat", ["a", "b"], ["c"], axis=1),
            helper.make_node("Concat", ["a", "a"], ["d"], axis=0),
            helper.make_node("Neg", ["d"], ["e"]),
            helper.make_node("CumSum", ["b", "axis"], ["f"]),
        ],
        "g",
        [helper.make_tensor_value_info(n, 1, ["m", "k"]) for n in "ab"],
        [helper.make_tensor_value_info(n, 1, None) for n in "cdef"],
        [helper.make_tensor("axis", 7, [], [0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    compiled = quantc.compile(model)
    runs = []
    for _ in range(2):
        a, b = some(rng, np.float32, (4, 6)), some(rng, np.float32, (4, 6))
        results = compiled.run([a, b])
        runs.append((a, b, results))
    for a, b, (c, d, e, f) in runs:
        np.testing.assert_array_equal(c, np.concatenate([a, b], 1))
        np.testing.assert_array_equal(d, np.concatenate([a, a]))
        np.testing.assert_array_equal(e, -d)
        np.testing.assert_array_equal(f, np.cumsum(b, 0))
