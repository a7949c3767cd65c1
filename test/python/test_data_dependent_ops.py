"""Ops whose results depend on data more than on arithmetic: boxes, regions,
random numbers, sequences; against ONNX Runtime where it is deterministic."""

import itertools

import numpy as np
import onnx.parser
import onnxruntime
import pytest

import quantc

HEADER = '<ir_version: 10, opset_import: ["" : 21]>'


def parse(text):
    return onnx.parser.parse_model(HEADER + text)


def compare(text, feeds, rtol=1e-5):
    model = parse(text)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    compiled = quantc.compile(model)
    for mine, theirs in zip(compiled.run(feeds), session.run(None, feeds), strict=True):
        assert mine.shape == theirs.shape and mine.dtype == theirs.dtype
        if theirs.dtype.kind == "f":
            np.testing.assert_allclose(mine, theirs, rtol, 1e-6)
        else:
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("center", [0, 1])
@pytest.mark.parametrize("most,overlap,score", [(5, 0.5, 0.0), (100, 0.3, 0.4), (0, 0.5, 0.0)])
def test_non_max_suppression(rng, center, most, overlap, score):
    corners = rng.uniform(0, 1, (2, 60, 4)).astype(np.float32)
    feeds = {
        "boxes": corners,
        # Equal scores, too: the first box wins.
        "scores": (rng.integers(0, 20, (2, 3, 60)) / 20).astype(np.float32),
        "most": np.array(most, np.int64),
        "overlap": np.array(overlap, np.float32),
        "score": np.array(score, np.float32),
    }
    compare(
        "g (float[b, n, 4] boxes, float[b, c, n] scores, int64 most, float overlap, float score)"
        " => (int64[m, 3] y) { y = NonMaxSuppression <center_point_box = %d>"
        " (boxes, scores, most, overlap, score) }" % center,
        feeds,
    )


def test_non_max_suppression_of_many_boxes(rng):
    """More than one way through the heap: scores that are equal, infinite, or too low."""
    text = (
        "g (float[b, n, 4] boxes, float[b, c, n] scores, int64 most, float overlap) => (int64[m, 3] y)"
        " { y = NonMaxSuppression (boxes, scores, most, overlap) }"
    )
    start = rng.uniform(0, 60, (1, 500, 2))
    boxes = np.concatenate([start, start + rng.uniform(-1, 9, (1, 500, 2))], 2).astype(np.float32)
    scores = rng.standard_normal((1, 4, 500)).astype(np.float32)
    scores[0, 1] = np.round(scores[0, 1])
    scores[0, 2, ::3] = -np.inf
    scores[0, 3] = 0.5
    for most in (1, 40, 10_000):
        compare(text, {"boxes": boxes, "scores": scores, "most": np.array(most), "overlap": np.array(0.2, np.float32)})
    compare(text, {"boxes": boxes[:, :1], "scores": scores[..., :1], "most": np.array(3), "overlap": np.array(0, np.float32)})
    # No boxes, no classes.
    for none in ({"boxes": boxes[:, :0], "scores": scores[..., :0]}, {"boxes": boxes, "scores": scores[:, :0]}):
        compiled = quantc.compile(parse(text))
        (rows,) = compiled.run({**none, "most": np.array(9), "overlap": np.array(0.5, np.float32)})
        assert rows.shape == (0, 3)


@pytest.mark.parametrize(
    "boxes,scores,what", [((1, 9, 4), (1, 2, 3), "boxes"), ((3, 5, 4), (1, 2, 5), "images"), ((1, 5, 4), (4, 1, 5), "images")]
)
def test_non_max_suppression_of_other_scores(boxes, scores, what):
    text = "g (float[%s] boxes, float[%s] scores, int64 most) => (int64[m, 3] y) { y = NonMaxSuppression (boxes, scores, most) }"
    message = f"NonMaxSuppression.*must be of equally many {what}"
    feeds = {"boxes": np.zeros(boxes, np.float32), "scores": np.zeros(scores, np.float32), "most": np.array(3)}
    with pytest.raises(quantc.RunError, match=message):
        quantc.compile(parse(text % ("b, n, 4", "i, c, m"))).run(feeds)
    with pytest.raises(quantc.CompileError, match=message):
        quantc.compile(parse(text % tuple(", ".join(map(str, shape)) for shape in (boxes, scores))))


@pytest.mark.parametrize("parts", ["x, none", "none, x", "none, x, none", "none, none"])
@pytest.mark.parametrize("columns", ["3", "n"])
def test_joined_with_nothing(rng, parts, columns):
    """As a result, and of a value that is the result of something else."""
    constant = "float[3, 0] none = {}"
    for body in ("y = Concat <axis = 1> (%s)", "z = Relu (x) y = Concat <axis = 1> (%s)"):
        body %= parts if body[0] == "y" else parts.replace("x", "z")
        compare(
            f"g (float[3, {columns}] x) => (float[3, k] y) <{constant}> {{ {body} }}",
            {"x": rng.standard_normal((3, 3)).astype(np.float32)},
        )


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("transform", ["half_pixel", "output_half_pixel"])
@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align(rng, mode, transform, ratio):
    """Without a ratio, larger regions have more samples."""
    low = rng.uniform(-3, 20, (6, 2))
    rois = np.concatenate([low, low + rng.uniform(0.1, 18, (6, 2))], 1)
    feeds = {
        "x": rng.standard_normal((2, 3, 12, 14)).astype(np.float32),
        "rois": rois.astype(np.float32),
        "images": rng.integers(0, 2, 6),
    }
    compare(
        "g (float[n, 3, h, w] x, float[r, 4] rois, int64[r] images) => (float[r, 3, 4, 5] y)"
        " { y = RoiAlign <output_height = 4, output_width = 5,"
        f' sampling_ratio = {ratio}, spatial_scale = 0.5, mode = "{mode}", coordinate_transformation_mode ='
        f' "{transform}"> (x, rois, images) }}',
        feeds,
    )


def test_max_roi_pool(rng):
    """Regions in the image, of one pixel, partly behind its border, and outside."""
    rois = [[0, 0, 0, 8, 8], [1, 2, 3, 17, 12], [0, 5, 5, 5, 5], [1, 10, 12, 30, 30], [1, 40, 40, 50, 45]]
    feeds = {
        "x": rng.standard_normal((2, 3, 9, 11)).astype(np.float32),
        "rois": np.array(rois, np.float32),
    }
    compare(
        "g (float[n, 3, h, w] x, float[r, 5] rois) => (float[r, 3, 2, 3] y)"
        " { y = MaxRoiPool <pooled_shape = [2, 3], spatial_scale = 0.5> (x, rois) }",
        feeds,
    )


@pytest.mark.parametrize("op", ["RoiAlign", "MaxRoiPool"])
def test_regions_of_images_that_are_not_there(op):
    """Negative ones do not count from the back, and large ones do not wrap."""
    x = np.arange(32, dtype=np.float32).reshape(2, 1, 4, 4)
    corners = np.array([[0, 0, 3, 3]], np.float32)
    if op == "RoiAlign":
        text = (
            "g (float[2, 1, 4, 4] x, float[r, 4] rois, int64[r] images) => (float[r, 1, 2, 2] y)"
            " { y = RoiAlign <output_height = 2, output_width = 2> (x, rois, images) }"
        )
        indices = [-1, 2, -3, 2**40, 2**60, -(2**63)]
        feed = lambda i: {"x": x, "rois": corners, "images": np.array([i])}
    else:
        text = (
            "g (float[2, 1, 4, 4] x, float[r, 5] rois) => (float[r, 1, 2, 2] y)"
            " { y = MaxRoiPool <pooled_shape = [2, 2]> (x, rois) }"
        )
        indices = [-1, 2, -3, 1e20, np.nan]
        feed = lambda i: {"x": x, "rois": np.concatenate([np.full((1, 1), i, np.float32), corners], 1)}
    compare(text, feed(1))
    compiled = quantc.compile(parse(text))
    for i in indices:
        with pytest.raises(quantc.RunError, match=f"{op}.*image's index is out of range"):
            compiled.run(feed(i))
    # No regions.
    (y,) = compiled.run({name: v if name == "x" else v[:0] for name, v in feed(0).items()})
    assert y.shape == (0, 1, 2, 2)


def test_max_roi_pool_of_too_many_parts():
    text = (
        "g (float[1, 3, 9, 9] x, float[1, 5] rois) => (float[1, 3, h, w] y)"
        " { [the_node] y = MaxRoiPool <pooled_shape = [2, 1000000000]> (x, rois) }"
    )
    with pytest.raises(quantc.CompileError, match="MaxRoiPool.*pooled_shape"):
        quantc.compile(parse(text))


def test_scatter_by_tuples_of_unknown_length(rng):
    feeds = {
        "x": rng.standard_normal((4, 5)).astype(np.float32),
        "i": np.array([[0, 1], [2, 3]]),
        "u": rng.standard_normal(2).astype(np.float32),
    }
    text = "g (float[4, 5] x, int64[n, d] i, float[n] u) => (float[4, 5] y) { y = ScatterND(x, i, u) }"
    compare(text, feeds)
    rows = "g (float[4, 5] x, int64[n, d] i, float[n, 5] u) => (float[4, 5] y) { y = ScatterND(x, i, u) }"
    feeds["u"] = rng.standard_normal((2, 5)).astype(np.float32)
    compare(rows, {**feeds, "i": np.array([[3], [1]])})
    with pytest.raises(quantc.RunError):
        quantc.compile(parse(rows)).run(feeds)


def test_random_numbers():
    text = (
        "g (float[n] x) => (float[n] u, float[n] v, float[n] w) {"
        " u = RandomUniformLike <low = -1.0, high = 3.0, seed = %s> (x)"
        " v = RandomNormalLike <mean = 2.0, scale = 0.5> (x)"
        " w = RandomUniformLike (x) }"
    )
    x = np.zeros(100_000, np.float32)
    model = quantc.compile(parse(text % "1.0"))
    u, v, w = model.run([x])
    assert u.min() >= -1 and u.max() < 3
    # The error of a mean of so many is far below these.
    assert abs(u.mean() - 1) < 0.02 and abs(u.var() - 16 / 12) < 0.02
    assert abs(v.mean() - 2) < 0.01 and abs(v.std() - 0.5) < 0.01
    assert len(np.unique(w)) > 99_000
    for a, b in ((u, v), (u, w), (v, w), (u[1:], u[:-1])):
        assert abs(np.corrcoef(a[: len(b)], b)[0, 1]) < 0.02
    # A seed means the same numbers; another one, others.
    np.testing.assert_array_equal(model.run([x])[0], u)
    other = quantc.compile(parse(text % "2.0")).run([x])[0]
    assert abs(np.corrcoef(u, other)[0, 1]) < 0.02


def test_training_dropout():
    model = quantc.compile(
        parse(
            "g (float[n] x, bool train) => (float[n] y, bool[n] kept) {"
            " ratio = Constant <value_float = 0.25> ()"
            " y, kept = Dropout <seed = 5> (x, ratio, train) }"
        )
    )
    x = np.full(10_000, 3, np.float32)
    y, kept = model.run([x, np.array(True)])
    assert abs(kept.mean() - 0.75) < 0.02
    np.testing.assert_allclose(y, np.where(kept, 4.0, 0.0), 1e-6)
    y, kept = model.run([x, np.array(False)])
    assert kept.all()
    np.testing.assert_array_equal(y, x)


def test_position_in_a_sequence_at_run_time(rng):
    text = (
        "g (float[2, 3] x, float[a, 3] w, int64 i) => (float[m, 3] y, float[k, 3] z) {"
        " s = SequenceConstruct(x, w, x)"
        " t = SequenceInsert(s, w, i)"
        " y = SequenceAt(t, i)"
        " e = SequenceErase(t, i)"
        " z = ConcatFromSequence <axis = 0> (e) }"
    )
    x, w = (rng.standard_normal((n, 3)).astype(np.float32) for n in (2, 5))
    model = quantc.compile(parse(text))
    for i in (0, 1, 2, -1):
        y, z = model.run([x, w, np.array(i)])
        items = [x, w, x]
        items.insert(i if i >= 0 else i + 3, w)
        np.testing.assert_array_equal(y, items[i])
        items.pop(i)
        np.testing.assert_array_equal(z, np.concatenate(items))
    with pytest.raises(quantc.RunError, match="position is outside of the sequence"):
        model.run([x, w, np.array(9)])


@pytest.mark.parametrize(
    "text, lists, bad",
    [
        (
            "g (float[3, n] x, int64[p] pads) => (float[a, b] y) { y = Pad (x, pads) }",
            {"pads": [1, 0, -1, 2]},
            {"pads": [1, 0]},
        ),
        (
            "g (float[3, n] x, int64[p] pads, int64[1] axes) => (float[a, b] y) { y = Pad (x, pads, , axes) }",
            {"pads": [1, 2], "axes": [-2]},
            {"pads": [1], "axes": [0]},
        ),
        (
            "g (float[3, n] x, int64[2] starts, int64[q] ends, int64[r] axes, int64[s] steps) => (float[a, b] y)"
            " { y = Slice (x, starts, ends, axes, steps) }",
            {"starts": [1, 4], "ends": [9, -9], "axes": [0, -1], "steps": [1, -2]},
            {"starts": [1, 4], "ends": [9, -9], "axes": [0], "steps": [1, -2]},
        ),
    ],
)
def test_lists_of_unknown_length(text, lists, bad, rng):
    """Pads, axes, ends and steps that come at run time, as many of them as there must be."""
    x = rng.standard_normal((3, 7)).astype(np.float32)
    compare(text, {"x": x, **{name: np.array(values) for name, values in lists.items()}})
    compiled = quantc.compile(parse(text))
    with pytest.raises(quantc.RunError, match="Reshape|elements"):
        compiled.run({"x": x, **{name: np.array(values) for name, values in bad.items()}})


@pytest.mark.parametrize("allowzero", [0, 1])
@pytest.mark.parametrize("dims, shape", [("4", (4,)), ("n", (4,)), ("2, 3", (2, 3)), ("n, 3", (2, 3)), ("n", (0,))])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_reshapes_to_what_comes_at_run_time(dims, shape, rank, allowzero):
    """Whether it fits or not, as ONNX Runtime says, if the number of elements alone decides on a result's type, too."""
    text = "g (float[%s] x, int64[%d] s) => (float[%s] y) { [nodeR] y = Reshape <allowzero = %d> (x, s) }"
    model = parse(text % (dims, rank, ", ".join("pqr"[:rank]), allowzero))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    compiled = quantc.compile(model)
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    for asked in itertools.product([-2, -1, 0, 1, 2, 3, 4, 6] if rank < 3 else [-1, 0, 2, 3], repeat=rank):
        feeds = {"x": x, "s": np.array(asked, np.int64)}
        try:
            expected = session.run(None, feeds)[0]
        except Exception:
            expected = None
        # ONNX forbids a -1 beside what allowzero makes a 0: no size follows.
        if expected is None or (allowzero and -1 in asked and 0 in asked):
            with pytest.raises(quantc.RunError, match="node 'nodeR'.*the shape does not fit"):
                compiled.run(feeds)
        else:
            np.testing.assert_array_equal(compiled.run(feeds)[0], expected, strict=True)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_log_sum_exp_of_integers(dtype):
    x = np.array([[1, 2, 30], [-4, 5, 700], [0, 0, 0]], dtype)
    compare("g (%s[3, n] x) => (%s[3, 1] y) { a = Constant <value_ints = [1]> () y = ReduceLogSumExp (x, a) }" % (dtype, dtype), {"x": x})


@pytest.mark.parametrize(
    "text, shapes",
    [
        ("g (float[0, 3] x, int64 i) => (float[a] y) { y = Gather <axis = 1> (x, i) }", {"x": (0, 3), "i": ()}),
        (
            "g (float[5, 3] x, int64[0, 1] i, float[0, 3] u) => (float[5, 3] y) { y = ScatterND (x, i, u) }",
            {"x": (5, 3), "i": (0, 1), "u": (0, 3)},
        ),
        ("g (float[p, 0, 4] x, float[4, 5] w) => (float[a, b, c] y) { y = MatMul (x, w) }", {"x": (3, 0, 4), "w": (4, 5)}),
        (
            "g (float[1, p, 4] x, float[q, 2, 3] w) => (float[a, b, c] y) { y = ConvTranspose <group = 2> (x, w) }",
            {"x": (1, 6, 4), "w": (6, 2, 3)},
        ),
    ],
)
def test_sizes_of_zero_and_unknown_ones(text, shapes, rng):
    feeds = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    if "i" in feeds:
        feeds["i"] = np.zeros(shapes["i"], np.int64)
    compare(text, feeds)


@pytest.mark.parametrize(
    "op,result,shape,axes,twice",
    [
        ("Squeeze", "float[a, b]", (1, 5, 1, 1), [0, 2], [0, -4]),
        ("Squeeze", "float[a, b]", (1, 5, 1, 1), [-1, -4], [2, 2]),
        ("Unsqueeze", "float[a, b, c, d]", (3, 5), [0, -1], [1, -3]),
        ("ReduceSum", "float[a, b]", (3, 5, 2, 2), [1, -1], [3, -1]),
        ("ReduceSum", "float", (3, 5), [1, -2], [1, -1]),
    ],
)
def test_axes_of_the_run_time(op, result, shape, axes, twice, rng):
    """Each of them counts once: of an axis that is named twice, the rank would be another one."""
    keep = "<keepdims = 0>" if op == "ReduceSum" else ""
    dims = ", ".join("klmn"[: len(shape)])
    text = f"g (float[{dims}] x, int64[2] axes) => ({result} y) {{ y = {op} {keep} (x, axes) }}"
    feeds = {"x": rng.standard_normal(shape, np.float32), "axes": np.array(axes)}
    compare(text, feeds)
    with pytest.raises(quantc.RunError, match="an axis is named twice"):
        quantc.compile(parse(text)).run({**feeds, "axes": np.array(twice)})


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("kind", ["ties", "rising", "falling", "random"])
def test_top_k(rng, axis, largest, kind):
    x = {
        "ties": rng.integers(0, 4, (7, 9, 40)),
        "rising": np.arange(7 * 9 * 40).reshape(7, 9, 40),
        "falling": -np.arange(7 * 9 * 40).reshape(7, 9, 40),
        "random": rng.standard_normal((7, 9, 40)),
    }[kind].astype(np.float32)
    model = parse(
        f"g (float[a, b, c] x, int64[1] k) => (float[d, e, f] y, int64[d, e, f] i)"
        f" {{ y, i = TopK <axis = {axis}, largest = {largest}> (x, k) }}"
    )
    compiled = quantc.compile(model)
    # Of equal elements, the first ones: what a stable sort puts first.
    order = np.argsort(-x if largest else x, axis, kind="stable")
    for k in {0, 1, 2, x.shape[axis] // 2, x.shape[axis]}:
        values, indices = compiled.run({"x": x, "k": np.array([k])})
        expected = np.take(order, np.arange(k), axis)
        np.testing.assert_array_equal(indices, expected)
        np.testing.assert_array_equal(values, np.take_along_axis(x, expected, axis))


def test_top_k_of_nan():
    """NaN is larger than all numbers, as it is for numpy's sort."""
    x = np.array([3, np.nan, 1, np.inf, np.nan, 2], np.float32)
    model = parse("g (float[n] x, int64[1] k) => (float[k] y, int64[k] i) { y, i = TopK (x, k) }")
    indices = quantc.compile(model).run({"x": x, "k": np.array([4])})[1]
    np.testing.assert_array_equal(indices, [1, 4, 3, 0])


def test_top_k_of_bytes(rng):
    x = rng.integers(0, 256, (3, 500)).astype(np.uint8)
    compare(
        "g (uint8[n, c] x) => (uint8[n, 20] y, int64[n, 20] i)"
        " { k = Constant <value_ints = [20]> () y, i = TopK (x, k) }",
        {"x": x},
    )
