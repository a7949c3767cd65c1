//===- Codebooks.h - The tables of com.microsoft's formats ------*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_CODEBOOKS_H
#define QUANTC_LIB_TARGET_ONNX_CODEBOOKS_H

namespace quantc {

/// What the codes of MatMulBnb4 mean: `quant_type` 0 and 1.
inline constexpr float bnb4Float4[16] = {
    0.0f,         0.0052083333f,  0.6666667f,   1.0f,
    0.33333334f,  0.5f,           0.16666667f,  0.25f,
    -0.0f,        -0.0052083333f, -0.6666667f,  -1.0f,
    -0.33333334f, -0.5f,          -0.16666667f, -0.25f};
inline constexpr float bnb4NormalFloat4[16] = {
    -1.0f,        -0.6961928f,  -0.52507305f,  -0.3949175f,
    -0.28444138f, -0.18477343f, -0.091050036f, 0.0f,
    0.0795803f,   0.1609302f,   0.2461123f,    0.33791524f,
    0.44070983f,  0.562617f,    0.72295684f,   1.0f};

} // namespace quantc

#endif // QUANTC_LIB_TARGET_ONNX_CODEBOOKS_H
