"""Messages of the rules for com.microsoft's ops, which ONNX's checker does not know."""

import pytest
from import_errors import check_refused

X = "float[2, 32] x"
NBITS = f"{X}, uint8[4, 2, 8] b, float[8] s"
BNB4 = f"{X}, uint8[64] b, float[8] s"
QKV = "float[1, 2, 8] q, float[1, 2, 4] k, int32[1] lengths, int32 total"
FUSED = "float[1, 2, 8] x, float[8, 24] w, float[24] b"
BLOCKS = "uint8[9, 16] t, int64[2] i, float[9, 1] s"
Q8 = "float s, uint8 z, uint8[2] x"
IMAGE8 = "float s, uint8 z, uint8[1, 8, 8, 2] x"

# The op's inputs, the op, what the error must say.
CONTRACTIONS = [
    ("float[1, 3, 8, 8] x, float[4, 3, 3, 3] w", 'FusedConv <activation = "Gelu"> (x, w)', "activation 'Gelu' is not supported"),
    ("float[1, 3] x", "FusedConv (x, x)", "input and weights must be (N, C, spatial...) and of one rank"),
    ("float[2, 3] x, float[3, 4] w", 'FusedGemm <activation = "Gelu"> (x, w)', "activation 'Gelu' is not supported"),
    (NBITS, "MatMulNBits <K = 32, N = 4, block_size = 8> (x, b, s)", "K and N must be positive and block_size a power of 2 from 16 on"),
    (NBITS, "MatMulNBits <K = 32, N = 4, block_size = 16, bits = 3> (x, b, s)", "weights of 3 bits are not supported"),
    (
        NBITS + ", uint8[4] z, int32[32] groups",
        "MatMulNBits <K = 32, N = 4, block_size = 16> (x, b, s, z, groups)",
        "g_idx that reorders the groups is not supported",
    ),
    (BNB4, "MatMulBnb4 <K = 0, N = 4, block_size = 16, quant_type = 1> (x, b, s)", "K, N and block_size must be positive"),
    (BNB4, "MatMulBnb4 <K = 32, N = 4, block_size = 16, quant_type = 2> (x, b, s)", "quant_type must be 0 (FP4) or 1 (NF4), got 2"),
    (BNB4, "MatMulBnb4 <K = 32, N = 4, block_size = 48, quant_type = 1> (x, b, s)", "N * K must be a multiple of block_size"),
]

ATTENTIONS = [
    (
        "float[1, 2, 8] x, int64[1, 2] p, float[9, 2] c",
        "RotaryEmbedding <is_packed_batching = 1> (x, p, c, c)",
        "packed batches and scales are not supported",
    ),
    ("float[1, 2, N] x, int64[1, 2] p, float[9, 2] c", "RotaryEmbedding (x, p, c, c)", "num_heads is needed"),
    ("float x, int64[1, 2] p, float[9, 2] c", "RotaryEmbedding (x, p, c, c)", "its input must have rank 3 or 4, but has 0"),
    (
        "float[2, 8] q, float[1, 2, 8] k",
        "MultiHeadAttention <num_heads = 2> (q, k, k)",
        "queries, keys and values of these ranks are not supported",
    ),
    (QKV, "MultiHeadAttention <num_heads = 3> (q, q, q)", "num_heads must divide the size of the queries, but is 3"),
    (QKV, "MultiHeadAttention (q, q, q)", "num_heads must divide the size of the queries, but is 0"),
    (
        QKV,
        "MultiHeadAttention <num_heads = 2> (q, q, q, , , , , , lengths)",
        "caches of a fixed size are not supported",
    ),
    (
        QKV,
        "MultiHeadAttention <num_heads = 2> (q, q, q, , lengths)",
        "only a key_padding_mask of shape (batch, keys) or (batch, queries, keys) is supported",
    ),
    (
        QKV,
        "GroupQueryAttention <num_heads = 2> (q, k, k, , , lengths, total)",
        "num_heads must be a multiple of kv_num_heads, but they are 2 and 0",
    ),
    (
        QKV,
        "GroupQueryAttention <num_heads = 3, kv_num_heads = 2> (q, k, k, , , lengths, total)",
        "num_heads must be a multiple of kv_num_heads, but they are 3 and 2",
    ),
    (
        QKV,
        "GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (q, k, , , , lengths, total)",
        "keys and values must be given together",
    ),
    (
        "float[1, 2, 8] q, float[4] k, int32[1] lengths, int32 total",
        "GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (q, k, k, , , lengths, total)",
        "queries, keys and values must have rank 3",
    ),
    (
        "float[1, 2, 9] q, int32[1] lengths, int32 total",
        "GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (q, , , , , lengths, total)",
        "packed queries, keys and values need a static size that its heads divide",
    ),
    (
        QKV,
        "GroupQueryAttention <num_heads = 2, kv_num_heads = 1, do_rotary = 1> (q, k, k, , , lengths, total)",
        "rotation needs cos_cache and sin_cache",
    ),
    (
        QKV,
        "GroupQueryAttention <num_heads = 2, kv_num_heads = 1, smooth_softmax = 1> (q, k, k, , , lengths, total)",
        "sinks, smooth softmax and the output of scores are not supported",
    ),
    (
        "int32[2] i, float[9, 4] t, float[4] g",
        "EmbedLayerNormalization (i, , t, t, , g, g)",
        "ids of rank 2, two tables, gamma and beta are needed",
    ),
    (FUSED, "Attention (x, w, b)", "num_heads, an input of rank 3 and weights of rank 2 are needed"),
    (FUSED, "Attention <num_heads = 2> (x, b, b)", "num_heads, an input of rank 3 and weights of rank 2 are needed"),
    (FUSED, "Attention <num_heads = 2, do_rotary = 1> (x, w, b)", "rotation and shared caches are not supported"),
    (
        FUSED,
        "Attention <num_heads = 3> (x, w, b)",
        "the sizes of queries, keys and values must be known, and multiples of num_heads",
    ),
    (
        FUSED + ", int32[2] m",
        "Attention <num_heads = 2> (x, w, b, m)",
        "of masks of rank 1, only lengths (one for each sequence) are supported",
    ),
    (FUSED + ", int32[1, 1, 2, 2] m", "Attention <num_heads = 2> (x, w, b, m)", "masks of rank 4 are not supported"),
    ("float[1, 2, 3] x", "DynamicQuantizeLSTM (x, x, x)", "the scales of its weights are needed"),
]

TENSORS = [
    (X, 'CDist <metric = "hamming"> (x, x)', "metric 'hamming' is unknown"),
    ("float[2, 3] a, float[4, 2] b", "CDist (a, b)", "its inputs must be matrices of equally many columns"),
    (X, "UnfoldTensor <size = 33> (x)", "dim, size or step is out of range"),
    ("uint8[1, 8, 8] x", "NhwcMaxPool <kernel_shape = [2, 2]> (x)", "its input must be (N, H, W, C)"),
    (BLOCKS, "GatherBlockQuantized <quantize_axis = 0> (t, i, s)", "gather_axis, quantize_axis or block_size is out of range"),
    (BLOCKS, "GatherBlockQuantized <bits = 3> (t, i, s)", "elements of 3 bits are not supported"),
    (
        "uint8[9, 16] t, int64[2] i, float[8, 1] s",
        "GatherBlockQuantized (t, i, s)",
        "its scales and zero points must have the table's shape but along quantize_axis",
    ),
    (
        "uint8[9, N] t, int64[2] i, float[9, 1] s",
        "GatherBlockQuantized (t, i, s)",
        "packed tables need a static last dimension, along which they are quantized",
    ),
    (Q8, "QLinearConcat <axis = 0> (s, z, x, s)", "it needs three inputs for each part"),
    (Q8, "QLinearConcat <axis = 1> (s, z, x, s, z)", "its axis is out of range"),
    (Q8, "QLinearSoftmax <axis = 1, opset = 13> (x, s, z, s, z)", "axis is outside of the input's rank"),
    (Q8, "QLinearGlobalAveragePool (x, s, z, s, z)", "the input must be (N, C, spatial...)"),
    (IMAGE8, "QLinearGlobalAveragePool <channels_last = 1> (x, s, z, s, z)", "channels_last is not supported"),
    (
        IMAGE8,
        "QLinearAveragePool <kernel_shape = [2, 2], channels_last = 1> (x, s, z, s, z)",
        "channels_last is not supported",
    ),
]

# The op with one input less than it needs, what is missing, how many it needs.
MISSING = [
    ("Attention (x)", 1, 2),
    ("Attention (x, , x)", 1, 2),
    ("CDist (x)", 1, 2),
    ("DequantizeLinear (x)", 1, 2),
    ("DynamicQuantizeMatMul (x, x)", 2, 3),
    ("EmbedLayerNormalization ()", 0, 1),
    ("ExpandDims (x)", 1, 2),
    ("FusedConv (x)", 1, 2),
    ("FusedGemm (x)", 1, 2),
    ("FusedMatMul (x)", 1, 2),
    ("GatherBlockQuantized (x, x)", 2, 3),
    ("GatherND (x)", 1, 2),
    ("Gelu ()", 0, 1),
    ("GemmFastGelu (x)", 1, 2),
    ("GridSample (x)", 1, 2),
    ("GroupQueryAttention ()", 0, 1),
    ("MatMulBnb4 (x, x)", 2, 3),
    ("MatMulIntegerToFloat (x, x, x)", 3, 4),
    ("MatMulNBits (x, x)", 2, 3),
    ("MultiHeadAttention ()", 0, 1),
    ("NhwcMaxPool ()", 0, 1),
    ("Pad (x)", 1, 2),
    ("QAttention (x, x, x, x)", 4, 5),
    ("QEmbedLayerNormalization ()", 0, 1),
    ("QGemm (x, x, x, x)", 4, 5),
    ("QLinearAveragePool (x)", 1, 2),
    ("QLinearConcat (x, , x, x, x)", 1, 2),
    ("QLinearConv (x, x, x, x, x, x, x)", 7, 8),
    ("QLinearGlobalAveragePool (x)", 1, 2),
    ("QLinearSoftmax (x)", 1, 2),
    ("QLinearWhere (x, x)", 2, 3),
    ("QuantizeLinear (x)", 1, 2),
    ("Range (x)", 1, 2),
    ("RotaryEmbedding (x, x, x)", 3, 4),
    ("Trilu ()", 0, 1),
    ("UnfoldTensor ()", 0, 1),
    ("Unique ()", 0, 1),
]


@pytest.mark.parametrize("inputs, node, said", CONTRACTIONS + ATTENTIONS + TENSORS)
def test_refused(inputs, node, said, tmp_path):
    check_refused(tmp_path, inputs, f"com.microsoft.{node}", said)


@pytest.mark.parametrize("node, missing, needed", MISSING)
def test_missing_input(node, missing, needed, tmp_path):
    said = f"its input {missing} is missing: the first {needed} must be there"
    check_refused(tmp_path, "float[1, 2, 8] x", f"com.microsoft.{node}", said)
