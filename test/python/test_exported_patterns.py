"""Graphs as PyTorch's exporters write them, against ONNX Runtime.

Both exporters write what no hand would: shapes computed from shapes, ranks
declared wrongly, lists that grow in loops.
"""

import numpy as np
import onnx.parser
import onnxruntime
import pytest

import quantc


def parse(body, opset=17):
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {body}')


def compare(model, feeds, rtol=1e-5):
    """Compiles once, and runs each of `feeds` in both."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    compiled = quantc.compile(model)
    for feed in feeds:
        for actual, wanted in zip(compiled.run(feed), session.run(None, feed), strict=True):
            np.testing.assert_allclose(actual, wanted, rtol, 1e-6)
    return compiled


def floats(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bicubic", "bilinear", "nearest"])
def test_grid_sample(mode, padding, align):
    model = parse(
        f"g (float[n,c,h,w] x, float[n,p,q,2] grid) => (float[n,c,p,q] y) {{"
        f' y = GridSample <mode = "{mode}", padding_mode = "{padding}", align_corners = {align}> (x, grid) }}'
    )
    grid = (1.6 * np.random.default_rng(1).uniform(-1, 1, (2, 5, 6, 2))).astype(np.float32)
    compare(model, [{"x": floats(2, 3, *size), "grid": grid} for size in [(8, 8), (9, 13), (16, 5)]])


@pytest.mark.parametrize("channels", [0, 1, 5, 6, 8])
def test_grid_sample_of_known_channels(channels):
    """Channels of a block share places."""
    model = parse(
        f"g (float[n,{channels},h,w] x, float[n,p,q,2] grid) => (float[n,{channels},p,q] y) {{"
        f" y = GridSample (x, grid) }}"
    )
    grid = (1.6 * np.random.default_rng(1).uniform(-1, 1, (2, 5, 6, 2))).astype(np.float32)
    compare(model, [{"x": floats(2, channels, *size), "grid": grid} for size in [(8, 8), (9, 13)]])


@pytest.mark.parametrize("channels, groups, offsets", [(8, 1, 1), (8, 2, 2), (12, 2, 4), (6, 3, 2), (5, 1, 1)])
@pytest.mark.parametrize("has_mask", [False, True])
def test_deformable_convolution(channels, groups, offsets, has_mask):
    mask = f", float[n,{6 * offsets},p,q] mask" if has_mask else ""
    model = parse(
        f"g (float[n,{channels},h,w] x, float[n,{12 * offsets},p,q] offset{mask}) => (float[n,6,p,q] y)"
        f" {{ bias = Constant <value_floats = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]> ()"
        f" y = DeformConv <group = {groups}, offset_group = {offsets}, strides = [2, 1], dilations = [1, 2], pads = [1, 0, 2, 3]>"
        f" (x, weights, offset, bias{', mask' if has_mask else ''}) }}",
        opset=19,
    )
    weights = floats(6, channels // groups, 2, 3)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "weights"))
    feeds = []
    for batch, height, width in [(2, 8, 9), (1, 5, 4)]:
        places = (batch, (height + 3 - 2) // 2 + 1, width + 3 - 5 + 1)
        feed = {
            "x": floats(batch, channels, height, width),
            "offset": 2 * floats(batch, 12 * offsets, *places[1:], seed=1),
        }
        if has_mask:
            feed["mask"] = floats(batch, 6 * offsets, *places[1:], seed=2)
        feeds.append(feed)
    compare(model, feeds, rtol=1e-4)


def test_signal_without_a_last_dimension():
    model = parse(
        "g (float[n,t] x, float[16] window) => (float[n,f,b,2] y) {"
        " step = Constant <value_int = 4> () y = STFT <onesided = 1> (x, step, window) }"
    )
    window = np.hanning(16).astype(np.float32)
    compare(model, [{"x": floats(n, t), "window": window} for n, t in [(2, 40), (1, 57)]], rtol=1e-4)


def test_rank_declared_as_that_of_the_other_branch():
    """`scatter_reduce` and others ask for the rank, and declare what `squeeze`
    would give for both branches and for the result."""
    model = parse(
        "g (float[n,3] x) => (float[m] y) {"
        " s = Shape (x) rank = Size (s) zero = Constant <value_int = 0> ()"
        " isScalar = Equal (rank, zero)"
        " flat = Constant <value_ints = [-1]> ()"
        " w = If (isScalar) <"
        "   then_branch = e () => (float[m] v) { v = Reshape (x, flat) },"
        "   else_branch = f () => (float[n,3] u) { u = Identity (x) }>"
        " z = Relu (w)"
        " y = If (isScalar) <"
        "   then_branch = a () => (float[] p) { p = Squeeze (z) },"
        "   else_branch = b () => (float[m] q) { q = Identity (z) }> }"
    )
    x = floats(4, 3)
    (y,) = quantc.compile(model).run([x])
    np.testing.assert_array_equal(y, np.maximum(x, 0))


@pytest.mark.parametrize("new_axis, axis", [(1, 0), (1, 1), (1, -1), (0, 0), (0, -1)])
def test_list_that_a_loop_appends_to(new_axis, axis):
    """A scripted `for` over a dimension with `outs.append(...)`."""
    model = parse(
        "g (float[n,t,3] x, int64 at) => (float[k...] y, float[n,3] last, int64 count, float[n,3] chosen) {"
        " shape = Shape (x) one = Constant <value_int = 1> () steps = Gather <axis = 0> (shape, one)"
        " go = Constant <value = bool {1}> ()"
        " h0 = ReduceMax <axes = [1], keepdims = 0> (x)"
        " empty = SequenceEmpty ()"
        " last, outs = Loop (steps, go, h0, empty) <body = step (int64 i, bool c, float[n,3] h, seq(float[n,3]) list)"
        "   => (bool d, float[n,3] h1, seq(float[n,3]) longer) {"
        "   d = Identity (c) xi = Gather <axis = 1> (x, i) sum = Add (xi, h) h1 = Tanh (sum)"
        "   longer = SequenceInsert (list, h1) }>"
        f" y = ConcatFromSequence <axis = {axis}, new_axis = {new_axis}> (outs)"
        " count = SequenceLength (outs) chosen = SequenceAt (outs, at) }".replace("float[k...] y", "float y")
    )
    model.graph.output[0].type.tensor_type.ClearField("shape")
    feeds = [{"x": floats(n, t, 3), "at": np.array(at)} for n, t, at in [(2, 5, 0), (1, 3, -1), (4, 1, 0)]]
    compiled = compare(model, feeds)
    with pytest.raises(quantc.RunError, match="out of range"):
        compiled.run({"x": floats(2, 5, 3), "at": np.array(5)})


def test_list_that_a_loop_also_reads():
    model = parse(
        "g (float[n] x, int64 steps) => (float[m] y) {"
        " go = Constant <value = bool {1}> () zero = Constant <value_int = 0> ()"
        " start = SequenceConstruct (x)"
        " [grow] outs = Loop (steps, go, start) <body = step (int64 i, bool c, seq(float[n]) list)"
        "   => (bool d, seq(float[n]) longer) {"
        "   d = Identity (c) first = SequenceAt (list, zero) longer = SequenceInsert (list, first) }>"
        " y = ConcatFromSequence <axis = 0> (outs) }"
    )
    with pytest.raises(quantc.CompileError, match=r"node 'grow'.*one element at its end in each iteration"):
        quantc.compile(model)


def test_parts_of_a_dynamic_dimension():
    """`unbind` along a dimension that the run decides."""
    for keepdims in (0, 1):
        model = parse(
            "g (float[2,t,3] x, int64 i) => (float part, int64 count) {"
            f" parts = SplitToSequence <axis = 1, keepdims = {keepdims}> (x)"
            " part = SequenceAt (parts, i) count = SequenceLength (parts) }"
        )
        model.graph.output[0].type.tensor_type.ClearField("shape")
        compare(model, [{"x": floats(2, t, 3), "i": np.array(i)} for t, i in [(4, 1), (7, -1)]])


@pytest.mark.parametrize("dims", ["2,t,3", "2,4,3"])
def test_parts_whose_size_is_given(dims):
    """As PyTorch writes `unbind`: ONNX Runtime takes the axis away."""
    model = parse(
        f"g (float[{dims}] x) => (float y) {{ one = Constant <value_int = 1> ()"
        " parts = SplitToSequence <axis = 1, keepdims = 0> (x, one) y = SequenceAt (parts, one) }"
    )
    model.graph.output[0].type.tensor_type.ClearField("shape")
    compare(model, [{"x": floats(2, 4, 3)}])


def test_parts_pass_through_other_ops():
    model = parse(
        "g (float[n] x) => (bool has, float[n] y, float[n] z) {"
        " parts = SplitToSequence <axis = 0> (x) has = OptionalHasElement (parts)"
        " same = Identity (parts) y = ConcatFromSequence <axis = 0> (same)"
        " maybe = Optional (parts) again = OptionalGetElement (maybe)"
        " z = ConcatFromSequence <axis = 0> (again) }",
        opset=18,
    )
    compare(model, [{"x": floats(n)} for n in (1, 5)])


def test_what_is_empty_wherever_it_ends():
    model = parse(
        "g (float[4,3] x, int64[1] e) => (float[m,3] y, float[1,k,l] sums) {"
        " four = Constant <value_ints = [4]> () zero = Constant <value_ints = [0]> ()"
        " one = Constant <value_int = 1> () two = Constant <value_ints = [2]> ()"
        " flat = Constant <value_ints = [1,2,-1]> ()"
        " y = Slice (x, four, e, zero) r = Reshape (x, flat) one1 = Constant <value_ints = [1]> ()"
        " none = Slice (r, zero, zero, one1) sums = CumSum (none, one) }"
    )
    compare(model, [{"x": floats(4, 3), "e": np.array([e])} for e in (4, 9, 0, -1)])


def test_slice_of_unknown_numbers_of_axes():
    """`embedding_bag` slices by bounds that are slices of lists themselves."""
    model = parse(
        "g (float[n,4] x, int64[k] offsets, int64[1] i) => (float[m,l] y) {"
        " one = Constant <value_ints = [1]> () j = Add (i, one) k2 = Add (j, one)"
        " start = Slice (offsets, i, j) end = Slice (offsets, j, k2)"
        " y = Slice (x, start, end) }"
    )
    offsets = np.array([0, 2, 5, -1])
    compare(model, [{"x": floats(9, 4), "offsets": offsets, "i": np.array([i])} for i in (0, 1, 2)])


@pytest.mark.parametrize("sizes", [(17, 3), (64, 32), (17, 17), ("n", "m")])
@pytest.mark.parametrize("rows", ["", "5, "])
def test_reductions_that_meet(rows, sizes):
    """Over rows that need not be of one length."""
    model = parse(
        f"g (float[{rows}{sizes[0]}] x, float[{rows}{sizes[1]}] w) => (float[{rows[:1]}] y) {{"
        " p = ReduceMax <axes = [-1], keepdims = 0> (x) q = ReduceMax <axes = [-1], keepdims = 0> (w)"
        " y = Add (p, q) }"
    )
    lengths = [sizes] if sizes != ("n", "m") else [(17, 3), (3, 17), (40, 64)]
    leading = [5] if rows else []
    compare(model, [{"x": floats(*leading, a), "w": floats(*leading, b, seed=1)} for a, b in lengths])


@pytest.mark.parametrize("crop", [0, 1], ids=["whole", "cropped"])
def test_images_joined_by_channels(crop):
    """Copied line by line, or as one line where those lie one behind the other."""
    model = parse(
        "g (float[n,3,h,w] x, float[n,2,h,w] z) => (float[n,5,k,l] y) {"
        f" start = Constant <value_ints = [{crop}, {crop}]> () end = Constant <value_ints = [1000, 1000]> ()"
        " axes = Constant <value_ints = [2, 3]> ()"
        " p = Slice (x, start, end, axes) q = Slice (z, start, end, axes) r = Relu (q)"
        " joined = Concat <axis = 1> (p, r) y = Concat <axis = 2> (joined, joined) }"
    )
    sizes = [(1, 7, 7), (2, 1, 9), (3, 12, 1), (2, 40, 33)]
    if crop:
        sizes = [size for size in sizes if min(size[1:]) > 1]
    feeds = [{"x": floats(n, 3, h, w), "z": floats(n, 2, h, w, seed=1)} for n, h, w in sizes]
    compare(model, feeds, rtol=0)
