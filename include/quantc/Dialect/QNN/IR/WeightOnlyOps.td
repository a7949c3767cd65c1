//===- WeightOnlyOps.td - Float activations, weights of few bits ----------===//
#ifndef QUANTC_DIALECT_QNN_IR_WEIGHTONLYOPS
#define QUANTC_DIALECT_QNN_IR_WEIGHTONLYOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

def QNN_WeightOnlyMatMulOp : QNN_InferredOp<"weight_only_matmul",
    [AttrSizedOperandSegments,
     DeclareOpInterfaceMethods<QNN_ExtentOpInterface, ["getResultExtent"]>]> {
  let summary = "Float activations times a matrix of low-bit weights";
  let description = [{
    `y[..., n] = Σk x[..., k] · r[k, n]` with the real weight
    `r[k, n] = (w[k, n] - zero_points[g, n]) · scales[g, n]`, `g = k /
    block_size`: weight-only quantization in groups along the inner dimension,
    as in GPTQ (Frantar et al. 2022, arXiv 2210.17323), AWQ (Lin et al. 2023,
    arXiv 2306.00978) and com.microsoft MatMulNBits. A `block_size` of K gives
    one scale a column.

    `weights` is `[K, N]`: integers of 2 to 8 bits, or floats of 4 or 8 bits.
    `scales` is `[ceil(K / block_size), N]`. Zero points are one number or have
    the scales' shape; they are of the weights' type, or floats of the scales'
    type. With a `codebook`, the weights are unsigned indices into it and there
    are no zero points (NF4: Dettmers et al. 2023, arXiv 2305.14314).

    An input of 8-bit integers gives the sums in the scales' type: what scales a
    row of the input scales the row of the result (tokens with a scale each:
    ZeroQuant, Yao et al. 2022, arXiv 2206.01861).

    Weights stay packed in the compiled library, at as many bits as their type
    has, and are unpacked in registers: no float copy of them exists.

    ```mlir
    %y = qnn.weight_only_matmul %x, %w, %scales zero_points %z
        : tensor<2x16xui4> {block_size = 32 : i64}
        : tensor<?x64xf32>, tensor<64x16xui4>, tensor<2x16xf32>
        -> tensor<?x16xf32>
    ```
  }];
  let arguments = (ins RankedTensorOf<[AnyFloat, I8]>:$input,
                       QNN_Tensor:$weights,
                       QNN_Float:$scales, Optional<QNN_Tensor>:$zero_points,
                       Optional<RankedTensorOf<[F32]>>:$codebook,
                       I64Attr:$block_size);
  let results = (outs QNN_Float:$output);
  let assemblyFormat = [{
    $input `,` $weights `,` $scales
    (`zero_points` $zero_points^ `:` type($zero_points))?
    (`codebook` $codebook^ `:` type($codebook))? attr-dict
    `:` type($input) `,` type($weights) `,` type($scales) `->` type($output)
  }];
  let hasVerifier = 1;
}

#endif // QUANTC_DIALECT_QNN_IR_WEIGHTONLYOPS
