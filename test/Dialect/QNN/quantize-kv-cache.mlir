// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(qnn-quantize-kv-cache)' | FileCheck %s --check-prefix=INT8
// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(qnn-quantize-kv-cache{format=fp8})' | FileCheck %s --check-prefix=FP8
// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(qnn-quantize-kv-cache{format=int4 group=2 window=3})' | FileCheck %s --check-prefix=INT4
// RUN: not quant-opt %s --split-input-file --pass-pipeline='builtin.module(qnn-quantize-kv-cache{format=int3})' 2>&1 | FileCheck %s --check-prefix=FORMAT
// RUN: not quant-opt %s --split-input-file --pass-pipeline='builtin.module(qnn-quantize-kv-cache{format=int4 group=3})' 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not quant-opt %s --split-input-file --pass-pipeline='builtin.module(qnn-quantize-kv-cache{group=0})' 2>&1 | FileCheck %s --check-prefix=ZERO

// FORMAT: error: a cache is stored in int8, int4 or fp8, not in 'int3'
// GROUP: error: cannot store heads of 4 numbers by 4 bits in groups of 3
// ZERO: error: a cache's group of 0 and window of 32: group >= 1 and window >= 0

// INT8-LABEL: func.func @keys(
// INT8-SAME:      %[[PAST:[a-z0-9]+]]: tensor<1x2x?x4xi8> {qnn.dims = ["", "", "past", ""], qnn.name = "past.k"}
// INT8-SAME:      %[[PASTSCALE:[a-z0-9]+]]: tensor<1x2x?x1xf32> {qnn.dims = ["", "", "past", ""], qnn.name = "past.k.scale"}
// INT8-SAME:      tensor<1x2x?x4xi8> {qnn.dims = ["", "", "", ""], qnn.name = "present.k"}, tensor<1x2x?x1xf32> {qnn.dims = ["", "", "", ""], qnn.name = "present.k.scale"}
// The shape of the codes is that of the floats.
// INT8:         qnn.shape %[[PAST]][0, 4]
// INT8:         %[[ABS:.*]] = qnn.unary abs %[[NEW:[a-z0-9]+]]
// INT8:         %[[MAX:.*]] = qnn.reduce max %[[ABS]]
// INT8:         %[[SCALE:.*]] = qnn.binary max
// INT8:         %[[X:.*]] = qnn.binary div %[[NEW]], %[[SCALE]]
// INT8:         %[[Q:.*]] = qnn.quantize %[[X]]
// INT8:         %[[CODES:.*]] = qnn.concat 2, %[[PAST]], %[[Q]]
// INT8:         %[[SCALES:.*]] = qnn.concat 2, %[[PASTSCALE]], %[[SCALE]]
// INT8:         %[[F:.*]] = qnn.cast %[[CODES]]
// INT8:         %[[P:.*]] = qnn.binary mul %[[F]], %[[SCALES]]
// INT8:         qnn.transpose %[[P]]
// INT8:         return %{{.*}}, %[[CODES]], %[[SCALES]], %{{.*}}

// FP8-LABEL: func.func @keys(
// FP8-SAME:      tensor<1x2x?x4xf8E4M3FN>
// FP8:         qnn.constant dense<0.00223214296> : tensor<f32>
// FP8:         qnn.quantize %{{.*}} -> tensor<1x2x1x4xf8E4M3FN>

// Keys: scales of groups of tokens, for each channel. What is returned in float
// are the tokens that fill no group behind the window.
// INT4-LABEL: func.func @keys(
// INT4-SAME:      %[[RECENT:[a-z0-9]+]]: tensor<1x2x?x4xf32> {qnn.dims = ["", "", "past:recent", ""], qnn.name = "past.k.recent"}
// INT4-SAME:      %[[PAST:[a-z0-9]+]]: tensor<1x2x?x2xui8> {qnn.dims = ["", "", "past:coded", ""], qnn.name = "past.k"}
// INT4-SAME:      tensor<1x2x?x4xf16> {qnn.dims = ["", "", "past:groups", ""], qnn.name = "past.k.scale"}
// INT4-SAME:      tensor<1x2x?x4xf16> {qnn.dims = ["", "", "past:groups", ""], qnn.name = "past.k.offset"}
// INT4:         %[[CODED:.*]] = qnn.shape %[[PAST]][2, 3]
// INT4:         %[[KEPT:.*]] = qnn.shape %[[RECENT]][2, 3]
// INT4:         qnn.binary add %[[CODED]], %[[KEPT]]
// INT4:         %[[ALL:.*]] = qnn.concat 2, %[[RECENT]], %{{.*}}
// INT4:         qnn.reduce min %{{.*}} : tensor<1x2x?x2x4xf32> -> tensor<1x2x?x1x4xf32>
// INT4:         qnn.quantize %{{.*}} -> tensor<1x2x?x2x4xui4>
// INT4:         %[[CODES:.*]] = qnn.concat 2, %[[PAST]], %{{.*}} : tensor<1x2x?x2xui8>
// INT4:         qnn.unpack %[[CODES]] {bits = 4 : i64, size = 4 : i64}
func.func @keys(%new: tensor<1x2x1x4xf32> {qnn.name = "x"}, %q: tensor<1x2x1x4xf32> {qnn.name = "q"},
                %past: tensor<1x2x?x4xf32> {qnn.name = "past.k", qnn.dims = ["", "", "past", ""]})
    -> (tensor<1x2x1x?xf32> {qnn.name = "y"}, tensor<1x2x?x4xf32> {qnn.name = "present.k"}, tensor<4xi64> {qnn.name = "n"}) {
  %shape = qnn.shape %past[0, 4] : tensor<1x2x?x4xf32> -> tensor<4xi64>
  %present = qnn.concat 2, %past, %new : tensor<1x2x?x4xf32>, tensor<1x2x1x4xf32> -> tensor<1x2x?x4xf32>
  %t = qnn.transpose %present [0, 1, 3, 2] : tensor<1x2x?x4xf32> -> tensor<1x2x4x?xf32>
  %y = qnn.matmul %q, %t : tensor<1x2x1x4xf32>, tensor<1x2x4x?xf32> -> tensor<1x2x1x?xf32>
  return %y, %present, %shape : tensor<1x2x1x?xf32>, tensor<1x2x?x4xf32>, tensor<4xi64>
}

// -----

// Values: scales of groups of channels, for each token.
// INT4-LABEL: func.func @values(
// INT4-SAME:      tensor<1x2x?x2xf16> {qnn.dims = ["", "", "past:coded", ""], qnn.name = "past.v.scale"}
// INT4:         qnn.reduce min %{{.*}} : tensor<1x2x?x2x2xf32> -> tensor<1x2x?x2x1xf32>
func.func @values(%new: tensor<1x2x?x4xf32> {qnn.name = "x"}, %p: tensor<1x2x1x?xf32> {qnn.name = "p"},
                  %past: tensor<1x2x?x4xf32> {qnn.name = "past.v", qnn.dims = ["", "", "past", ""]})
    -> (tensor<1x2x1x4xf32> {qnn.name = "y"}, tensor<1x2x?x4xf32> {qnn.name = "present.v"}) {
  %present = qnn.concat 2, %past, %new : tensor<1x2x?x4xf32>, tensor<1x2x?x4xf32> -> tensor<1x2x?x4xf32>
  %y = qnn.matmul %p, %present : tensor<1x2x1x?xf32>, tensor<1x2x?x4xf32> -> tensor<1x2x1x4xf32>
  return %y, %present : tensor<1x2x1x4xf32>, tensor<1x2x?x4xf32>
}
