"""Messages of the rules for ONNX's own ops.

ONNX's shape inference refuses much before. It does not look behind ops that it does
not know (`HIDDEN`), where the rules are alone.
"""

import pytest
from import_errors import check_refused

X, IMAGE = "float[2, 3] x", "float[1, 1, 4, 4] x"
RNN = "float[3, 1, 1] x, float[1, 4, 1] w, float[1, 4, 4] r"
SQUARE = "its matrices must be square, of a known size up to 64"
BOXES = "float[1, 2, 4] b, float[1, 1, 3] s"

# The op's inputs, the op, what the error must say, options of the model.
SEEN = [
    ("float[65, 65] x", "Det (x)", SQUARE, {}),
    ("float[N, N] x", "Det (x)", SQUARE, {}),
    (
        "float[1, 3, 8, 8] x, float[4, 3, 3, 3] w",
        "Conv <kernel_shape = [5, 5]> (x, w)",
        "kernel_shape differs from the shape of the weights",
        {},
    ),
    ("float[1, 3, 8, 8] x, float[4, 3, 3, 3] w", 'Conv <auto_pad = "UP"> (x, w)', "its auto_pad 'UP' is unknown", {}),
    (X + ", float[3] s", "InstanceNormalization (x, s, s)", "its input needs a batch, channels and dimensions", {}),
    (
        "float[2, 3, 4] x, float[3] s",
        "GroupNormalization <num_groups = 0> (x, s, s)",
        "needs channels and a positive num_groups",
        {},
    ),
    (
        "float[2, 3, 4] x, float[3] s",
        "BatchNormalization <spatial = 0> (x, s, s, s, s)",
        "spatial=0 is not supported",
        {"opset": 8},
    ),
    (X, "LpNormalization <p = 3> (x)", "p must be 1 or 2, but is 3", {}),
    ("uint8[2] x", 'BitShift <direction = "UP"> (x, x)', "direction must be LEFT or RIGHT, got 'UP'", {"outputs": "uint8 y"}),
    (X + ", int64[2] s", "Split (x, s)", "it has 2 part sizes for 1 outputs", {}),
    (X, "Split <num_outputs = 2> (x)", "num_outputs is 2, but it has 1 outputs", {}),
    (
        X + ", int64[2, N] i, float u",
        "ScatterND (x, i, u)",
        "its updates have no number of dimensions that tuples of indices explain",
        {},
    ),
    ("int64[2] s", "ConstantOfShape <value = float[2] {1, 2}> (s)", "its attribute 'value' must have one element", {}),
    (
        IMAGE + ", float[2, 3] r, int64[2] b",
        "RoiAlign (x, r, b)",
        "X must be (N, C, H, W), rois (R, 4), batch_indices (R)",
        {},
    ),
    (
        IMAGE + ", float[2, 4] r, int64[2] b",
        "RoiAlign <sampling_ratio = -1> (x, r, b)",
        "sampling_ratio or the output's size is out of range",
        {},
    ),
    (IMAGE + ", float[2, 4] r, int64[2] b", 'RoiAlign <mode = "min"> (x, r, b)', "mode 'min' is unknown", {}),
    (
        IMAGE + ", float[2, 4] r",
        "MaxRoiPool <pooled_shape = [2, 2]> (x, r)",
        "X must be (N, C, H, W), rois (R, 5), and pooled_shape two numbers from 1 to 32768",
        {},
    ),
    (
        "float[1, 2, 4] b, float[1, 2] s",
        "NonMaxSuppression (b, s)",
        "boxes and scores must be f32 of rank 3",
        {"outputs": "int64 y"},
    ),
    (
        "float[1, 2, 3] b, float[1, 1, 2] s",
        "NonMaxSuppression (b, s)",
        "boxes must have 4 coordinates",
        {"outputs": "int64 y"},
    ),
    (BOXES, "NonMaxSuppression (b, s)", "boxes and scores must be of equally many boxes", {"outputs": "int64 y"}),
    ("float[1, 2] t, int64[4] s", "AffineGrid (t, s)", "theta must have rank 3 and size 4 or 5 elements", {}),
    ("float[1, 2, 4] t, int64[4] s", "AffineGrid (t, s)", "theta must have 2 rows of 3", {}),
    (
        "float[1, 5, 5] x, int64[N] s, int64[2] b",
        "Col2Im (x, s, b)",
        "the number of dimensions in image_shape must be static",
        {},
    ),
    (IMAGE + ", float[4] s", 'Resize <mode = "lanczos"> (x, , s)', "mode 'lanczos' is unknown", {}),
    (IMAGE + ", float[1, 4, 4, 2] g", 'GridSample <mode = "lanczos"> (x, g)', "mode 'lanczos' is unknown", {}),
    (RNN, "RNN <hidden_size = 5> (x, w, r)", "hidden_size and R do not fit", {}),
    (RNN, 'RNN <hidden_size = 4, direction = "up"> (x, w, r)', "its direction 'up' is unknown", {}),
    (
        RNN,
        'RNN <hidden_size = 4, activations = ["Tanh", "Tanh"]> (x, w, r)',
        "it has a wrong number of activations",
        {},
    ),
    (RNN, 'RNN <hidden_size = 4, activations = ["Gelu"]> (x, w, r)', "its activation 'Gelu' is unknown", {}),
]

HIDDEN = [
    ("float[2] x, float[2, 3] w", "Gemm (x, w)", "A and B must be matrices", {}),
    (X, "Det (x)", SQUARE, {}),
    (X + ", float[3, 4, 1] w", "Conv (x, w)", "input and weights must be (N, C, spatial...) and of one rank", {}),
    (X, "MaxPool <kernel_shape = [2]> (x)", "the input must be (N, C, spatial...)", {}),
    ("float x", "Softmax (x)", "a scalar has no softmax", {}),
    ("float x", "LogSoftmax (x)", "a scalar has no softmax", {"opset": 12}),
    ("float[3] x", "Multinomial (x)", "its input must be (batch, classes)", {"outputs": "int32 y"}),
    (X + ", int64[2] i", "Gather <axis = 2> (x, i)", "its axis 2 is out of range for rank 2", {}),
    (X + ", int64[2, 3] i", "GatherElements <axis = 2> (x, i)", "its axis 2 is out of range for rank 2", {}),
    (X, "Split <split = [1]> (x)", "its part sizes sum to 1, but the dimension is 2", {"opset": 11}),
    (X, "Split <split = [-1]> (x)", "its part sizes are invalid", {"opset": 11}),
    (X, "Flatten <axis = 3> (x)", "its axis is out of range", {}),
    ("float[2, 3, 4] x", "EyeLike (x)", "its input must be a matrix", {}),
    ("float[2] x", "Trilu (x)", "its input must have two dimensions at least", {}),
    (X, "DepthToSpace <blocksize = 2> (x)", "needs an input of rank 4 and a positive blocksize", {}),
    (X, "SpaceToDepth <blocksize = 2> (x)", "needs an input of rank 4 and a positive blocksize", {}),
    (X + ", int64[2, 3] i", "MaxUnpool <kernel_shape = [2]> (x, i)", "its input must be (N, C, spatial...)", {}),
    (
        IMAGE + ", int64[1, 1, 4, 4] i",
        "MaxUnpool <kernel_shape = [2]> (x, i)",
        "its kernel, strides and pads must be those of its spatial dimensions",
        {},
    ),
    (
        "float[3, 1] x, float[1, 4, 1] w, float[1, 4, 4] r",
        "RNN <hidden_size = 4> (x, w, r)",
        "X, W and R must have rank 3",
        {},
    ),
]


@pytest.mark.parametrize("inputs, node, said, options", SEEN)
def test_refused(inputs, node, said, options, tmp_path):
    check_refused(tmp_path, inputs, node, said, **options)


@pytest.mark.parametrize("inputs, node, said, options", HIDDEN)
def test_refused_behind_an_unknown_op(inputs, node, said, options, tmp_path):
    check_refused(tmp_path, inputs, node, said, hides=True, **options)
