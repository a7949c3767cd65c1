"""Sizes that inputs ask for, and no memory can hold: an error of the run.

Their products need more than 64 bits. Nothing here is allocated: each size that
is not refused for its overflow is beyond any processor's address space.
"""

import numpy as np
import onnx.parser
import onnxruntime
import pytest

import quantc

HEADER = '<ir_version: 10, opset_import: ["" : 21]>'
HUGE, HALF, MOST = 2**62, 2**32, 2**63 - 1


def parse(text):
    return onnx.parser.parse_model(HEADER + text)


def ints(*values):
    return np.array(values, np.int64)


def floats(*values):
    return np.array(values, np.float32)


ONES = np.ones((1, 3), np.float32)
IMAGE = np.ones((1, 1, 2, 2), np.float32)
FILL = "g (int64[2] s) => (%s y) { z = ConstantOfShape (s) %s }"
MODELS = {
    "fill": ("g (int64[3] s) => (float[a, b, c] y) { y = ConstantOfShape (s) }", [
        {"s": ints(HUGE, 1, 1)},
        {"s": ints(HALF, HALF, 1)},
        {"s": ints(HALF, HALF, HALF)},
        {"s": ints(2**60, 4, 1)},
        {"s": ints(MOST, MOST, 1)},
        {"s": ints(-1, -1, 1)},
        {"s": ints(-1, 0, 1)},
        # No elements, but loops over other sizes.
        {"s": ints(HUGE, 0, 1)},
    ]),
    "fill-bytes": ("g (int64[1] s) => (int8[a] y) { y = ConstantOfShape <value = int8[1] {1}> (s) }", [
        {"s": ints(HUGE)},
        {"s": ints(MOST)},
        {"s": ints(-1)},
    ]),
    "expand": ("g (float[n, m] x, int64[3] s) => (float[a, b, c] y) { y = Expand (x, s) }", [
        {"x": ONES, "s": ints(HUGE, 1, 1)},
        {"x": ONES, "s": ints(HALF, HALF, 3)},
        {"x": ONES, "s": ints(-1, 1, 3)},
        {"x": ONES[:, :1], "s": ints(HALF, 2**30, 0)},
    ]),
    "tile": ("g (float[n, m] x, int64[2] r) => (float[a, b] y) { y = Tile (x, r) }", [
        {"x": ONES, "r": ints(HUGE, 1)},
        {"x": np.ones((4, 4), np.float32), "r": ints(HUGE, 1)},
        {"x": np.ones((4, 4), np.float32), "r": ints(HUGE, HUGE)},
        {"x": ONES, "r": ints(2**31, 2**31)},
        {"x": np.ones((3, 3), np.float32), "r": ints((2**64 + 2) // 3, 1)},
    ]),
    "pad": ("g (float[n, m] x, int64[4] p) => (float[a, b] y) { y = Pad (x, p) }", [
        {"x": ONES, "p": ints(HUGE, 0, 0, 0)},
        {"x": ONES, "p": ints(0, HUGE, 0, HUGE)},
        {"x": ONES, "p": ints(2**31, 2**31, 0, 0)},
        # Sums that wrap to a few elements.
        {"x": ONES, "p": ints(MOST, MOST, MOST, MOST)},
        {"x": ONES, "p": ints(MOST - 5, 0, MOST, 0)},
    ]),
    "pad-edge": ('g (float[n, m] x, int64[4] p) => (float[a, b] y) { y = Pad <mode = "edge"> (x, p) }', [
        {"x": ONES, "p": ints(HUGE, 0, 0, 0)},
    ]),
    "range": ("g (int64 a, int64 b, int64 c) => (int64[k] y) { y = Range (a, b, c) }", [
        {"a": np.array(0), "b": np.array(HUGE), "c": np.array(1)},
        {"a": np.array(0), "b": np.array(MOST), "c": np.array(2)},
        {"a": np.array(-MOST - 1), "b": np.array(MOST), "c": np.array(1)},
        {"a": np.array(MOST), "b": np.array(-MOST - 1), "c": np.array(-1)},
    ]),
    "resize": ("g (float[1, 1, n, m] x, float[4] s) => (float[a, b, c, d] y) { y = Resize (x, , s) }", [
        {"x": IMAGE, "s": floats(1, 1, 1e18, 1)},
        {"x": IMAGE, "s": floats(1, 1, 1e30, 1)},
        {"x": IMAGE, "s": floats(1, 1, np.nan, 1)},
    ]),
    "resize-to": ("g (float[1, 1, n, m] x, int64[4] s) => (float[a, b, c, d] y) { y = Resize (x, , , s) }", [
        {"x": IMAGE, "s": ints(1, 1, HUGE, 1)},
        {"x": IMAGE, "s": ints(1, 1, -1, 5)},
    ]),
    "one-hot": ("g (int64[n] i, int64 d, float[2] v) => (float[a, b] y) { y = OneHot (i, d, v) }", [
        {"i": ints(0, 1), "d": np.array(HUGE), "v": floats(0, 1)},
        {"i": ints(0, 1, 2, 3), "d": np.array(HUGE), "v": floats(0, 1)},
    ]),
    "unpool": (
        "g (float[1, 1, n, m] x, int64[1, 1, n, m] i, int64[4] s) => (float[a, b, c, d] y)"
        " { y = MaxUnpool <kernel_shape = [2, 2]> (x, i, s) }", [
        {"x": IMAGE, "i": np.zeros((1, 1, 2, 2), np.int64), "s": ints(1, 1, HUGE, 4)},
        {"x": IMAGE, "i": np.zeros((1, 1, 2, 2), np.int64), "s": ints(1, 1, 2**33, 2**33)},
    ]),
    "crop": ("g (float[n, m] x, int64[2] s) => (float[a, b] y) { y = CenterCropPad (x, s) }", [
        {"x": ONES, "s": ints(HUGE, 1)},
        {"x": ONES, "s": ints(HALF, HALF)},
    ]),
    "spectrum": ("g (float[1, n, 1] x, int64 l) => (float[a, b, c] y) { y = DFT (x, l) }", [
        {"x": np.ones((1, 4, 1), np.float32), "l": np.array(HUGE)},
        {"x": np.ones((1, 4, 1), np.float32), "l": np.array(MOST)},
    ]),
    "mel": ("g (int64 a, int64 b) => (float[k, l] y) {"
            " r = Constant <value_int = 8000> () e = Constant <value_float = 10.0> ()"
            " f = Constant <value_float = 4000.0> () y = MelWeightMatrix (a, b, r, e, f) }", [
        {"a": np.array(HUGE), "b": np.array(16)},
        {"a": np.array(2**33), "b": np.array(2**33)},
    ]),
    # What other ops compute of it.
    "product": (FILL % ("float[a, b]", "t = Transpose (z) y = MatMul (z, t)"), [
        {"s": ints(HUGE, 1)},
        {"s": ints(HALF, 0)},
        {"s": ints(2**24, 0)},
    ]),
    "joined": (FILL % ("float[a, b]", "y = Concat <axis = 0> (z, z, z, z)"), [{"s": ints(HUGE, 1)}, {"s": ints(HUGE, 0)}]),
    "running-sum": (FILL % ("float[a, b]", "a = Constant <value_int = 0> () y = CumSum (z, a)"), [{"s": ints(HUGE, 1)}, {"s": ints(HALF, HALF)}]),
    "random": (FILL % ("float[a, b]", "y = RandomUniformLike (z)"), [{"s": ints(HUGE, 1)}]),
}


@pytest.mark.parametrize("name", MODELS)
def test_more_than_memory(name):
    text, many = MODELS[name]
    compiled = quantc.compile(parse(text))
    for feeds in many:
        with pytest.raises(quantc.RunError, match="out of memory"):
            compiled.run(feeds)


def test_ranges_longer_than_the_largest_integer():
    """Steps that are as long make few elements of them."""
    model = parse("g (int64 a, int64 b, int64 c) => (int64[k] y) { y = Range (a, b, c) }")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    compiled = quantc.compile(model)
    least = -MOST - 1
    for a, b, c in [
        (-5, MOST, MOST - 1), (least, MOST, MOST), (MOST, least, least), (0, 5, least), (5, 0, least),
        (0, MOST, MOST), (3, 3, 1), (3, 3, -1), (2, 9, 3), (9, 2, -3), (9, 2, 3),
    ]:
        feeds = dict(zip("abc", map(np.array, (a, b, c))))
        np.testing.assert_array_equal(compiled.run(feeds)[0], session.run(None, feeds)[0])


@pytest.mark.parametrize(
    "text, many, message",
    [
        (
            "g (float[n, m] x, int64[4] p) => (float[a, b] y) { y = Pad (x, p) }",
            [{"x": ONES, "p": ints(-MOST, 0, -MOST, 0)}, {"x": ONES, "p": ints(-MOST - 1, 0, -MOST - 1, 0)}],
            "Pad.*removes more",
        ),
        (
            "g (float[n] x, int64[4] s) => (float[a, b, c, d] y) { y = Reshape (x, s) }",
            [
                {"x": ONES[0, :0], "s": ints(HALF, HALF, 1, 1)},
                {"x": np.ones(4, np.float32), "s": ints(HUGE + 1, 4, 1, 1)},
                {"x": np.ones(4, np.float32), "s": ints(HUGE + 1, 4, 1, -1)},
            ],
            "Reshape.*does not fit",
        ),
        (
            "g (float[n] x, int64[2] s) => (float[a] y, float[b] z) { y, z = Split (x, s) }",
            [
                {"x": np.ones(5, np.float32), "s": ints(*sizes)}
                for sizes in [(-1, 6), (MOST, MOST), (-MOST, -MOST), (HUGE, 5 - HUGE), (2, 2), (3, 3), (5, 1)]
            ],
            "Split.*part sizes",
        ),
    ],
    ids=["pad", "reshape", "split"],
)
def test_sums_and_products_that_wrap(text, many, message):
    compiled = quantc.compile(parse(text))
    for feeds in many:
        with pytest.raises(quantc.RunError, match=message):
            compiled.run(feeds)


def test_parts_of_a_size_that_a_run_knows():
    compiled = quantc.compile(parse("g (float[n] x, int64[3] s) => (float[a] u, float[b] v, float[c] w) { u, v, w = Split (x, s) }"))
    x = np.arange(5, dtype=np.float32)
    for sizes in [(2, 0, 3), (0, 0, 5), (5, 0, 0)]:
        for part, expected in zip(compiled.run({"x": x, "s": ints(*sizes)}), np.split(x, np.cumsum(sizes)[:2])):
            np.testing.assert_array_equal(part, expected)


def test_the_longest_step():
    text = (
        "g (float[n] x, int64[1] a, int64[1] b, int64[1] s) => (float[k] y)"
        " { z = Constant <value_ints = [0]> () y = Slice (x, a, b, z, s) }"
    )
    compiled = quantc.compile(parse(text))
    x = np.arange(5, dtype=np.float32)
    for start, end, step in [(MOST, -MOST - 1, -MOST - 1), (0, MOST, MOST), (MOST, -MOST - 1, -MOST), (MOST, -MOST - 1, -2)]:
        (y,) = compiled.run({"x": x, "a": ints(start), "b": ints(end), "s": ints(step)})
        np.testing.assert_array_equal(y, x[start if step > 0 else None : None : step])


@pytest.mark.parametrize(
    "body",
    [
        "s = Constant <value_ints = [4611686018427387904]> () o = Constant <value_ints = [1]> () y = Expand (o, s)",
        "i = Constant <value_ints = [1, 2]> () d = Constant <value_int = 4611686018427387904> ()"
        " v = Constant <value_ints = [0, 1]> () y = OneHot (i, d, v)",
        "s = Constant <value_ints = [4294967296, 4294967296]> () y = ConstantOfShape <value = int64[1] {1}> (s)",
        "s = Constant <value_ints = [9223372036854775807, 9223372036854775807, 9223372036854775807]> ()"
        " y = ConstantOfShape <value = int64[1] {1}> (s)",
        "y = Constant <value_int = 1> () z = RandomUniform <shape = [4294967296, 4294967296]> ()",
    ],
    ids=["expand", "one-hot", "fill", "fill-more", "random"],
)
def test_constants_that_no_processor_can_address(body):
    with pytest.raises(quantc.CompileError, match="node '.*out of memory: its result would be"):
        quantc.compile(parse("g (float[n] x) => (int64[k] y) { %s }" % body))


def test_a_large_constant_is_made_when_it_runs():
    """Not by the compiler, element by element. Nothing has that much memory."""
    body = "s = Constant <value_ints = [1099511627776]> () o = Constant <value_ints = [1]> () y = Expand (o, s)"
    compiled = quantc.compile(parse("g (float[n] x) => (int64[k] y) { %s }" % body))
    with pytest.raises(quantc.RunError, match="out of memory"):
        compiled.run({"x": np.ones(1, np.float32)})


@pytest.mark.parametrize(
    "body",
    [
        "s = Constant <value_ints = [17592186044416]> () o = Constant <value_ints = [1]> () e = Expand (o, s)",
        "s = Constant <value_ints = [17592186044416]> () f = ConstantOfShape (s) e = Cast <to = 7> (f)",
        "z = Constant <value_int = 0> () l = Constant <value_int = 17592186044416> ()"
        " o = Constant <value_int = 1> () e = Range (z, l, o)",
        "s = Constant <value_ints = [17592186044416]> () o = Constant <value_ints = [1]> () f = Expand (o, s) e = Add (f, f)",
    ],
    ids=["expand", "cast", "range", "add"],
)
def test_a_long_list_has_no_values_before_it_runs(body):
    """Those of short lists may be sizes: inference propagates them one by one."""
    text = "g (float[n] x) => (int64[3] y) { %s a = Constant <value_ints = [0]> () b = Constant <value_ints = [3]> () y = Slice (e, a, b) }"
    compiled = quantc.compile(parse(text % body))
    with pytest.raises(quantc.RunError, match="out of memory"):
        compiled.run({"x": np.ones(1, np.float32)})


@pytest.mark.parametrize("scale", ["1.0e30", "3.0e38"])
def test_a_scale_beyond_all_sizes(scale):
    text = (
        "g (float[1, 1, 2, 2] x) => (float[a, b, c, d] y)"
        " { s = Constant <value_floats = [1.0, 1.0, %s, 1.0]> () [big] y = Resize (x, , s) }"
    )
    with pytest.raises(quantc.CompileError, match="node 'big'.*dimension 2 gets a size beyond 64 bits"):
        quantc.compile(parse(text % scale))


def test_an_empty_tensor_takes_no_memory():
    """However large its other sizes are, if they are ones that loops may have."""
    compiled = quantc.compile(parse("g (float[a, b, c] x) => (float[a, b, c] y) { y = Softmax (x) }"))
    (y,) = compiled.run({"x": np.zeros((0, 100_000, 100_000), np.float32)})
    assert y.shape == (0, 100_000, 100_000)
