// The blocks of a file, for one target and one product; others are the cost model's.
// RUN: split-file %s %t
// RUN: quant-opt %t/product.mlir --quantc-lower-contractions="target-features=+avx2,+fma threads=false kernels=%t/good.yaml record" \
// RUN:   --canonicalize --cse --remarks-filter="lower-contractions" 2>%t/remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t/remarks
// RUN: quant-opt %t/product.mlir --quantc-lower-contractions="target-features=+avx512f threads=false kernels=%t/good.yaml record" \
// RUN:   | FileCheck %s --check-prefix=OTHER
// RUN: not quant-opt %t/product.mlir --quantc-lower-contractions="kernels=%t/none.yaml" 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not quant-opt %t/product.mlir --quantc-lower-contractions="kernels=%t/key.yaml" 2>&1 | FileCheck %s --check-prefix=KEY
// RUN: not quant-opt %t/product.mlir --quantc-lower-contractions="kernels=%t/value.yaml" 2>&1 | FileCheck %s --check-prefix=VALUE
// RUN: not quant-opt %t/product.mlir --quantc-lower-contractions="kernels=%t/version.yaml" 2>&1 | FileCheck %s --check-prefix=VERSION
// RUN: not quant-opt %t/product.mlir --quantc-lower-contractions="kernels=%t/empty.yaml" 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not quant-opt %t/product.mlir --quantc-lower-contractions="target-features=+avx2,+fma kernels=%t/many.yaml" 2>&1 | FileCheck %s --check-prefix=MANY

// CHECK:       qnn.products = [{function = "product",
// CHECK-SAME:      kernel = "matmul d0,d2:12x64xf32 d2,d1:64x64xf32 -> d0,d1:12x64xf32",
// CHECK-SAME:      numbers = array<i64: 3, 1, 16, 12, 32, 12, 64, 64, 8, 12>
// CHECK-LABEL: func.func private @product
// CHECK:         vector.fma
// CHECK-COUNT-11: vector.fma
// CHECK-NOT:     vector.fma
// REMARK:      in blocks of 3 x 8: matmul
// REMARK:      takes the blocks of a file: 3 x 1 registers, depth 16, tasks of 12 x 32
// OTHER:       numbers = array<i64: {{[0-9]+}}, {{[0-9]+}}, 64,
// NONE:        error: cannot read '{{.*}}none.yaml': No such file or directory
// KEY:         error: {{.*}}key.yaml:5: unknown key 'colums'
// VALUE:       error: {{.*}}value.yaml:{{[0-9]}}: rows is 65: it may be 1 to 64, or 0 for the compiler's choice
// VERSION:     error: {{.*}}version.yaml:{{[0-9]}}: version is 7, this compiler reads 1
// EMPTY:       error: {{.*}}empty.yaml: is no file of kernels
// MANY:        error: {{.*}}many.yaml: 'matmul {{.*}}': 9 x 2 sums do not fit into 16 registers

//--- product.mlir
func.func private @product(%x: memref<12x64xf32>, %w: memref<64x64xf32>, %out: memref<12x64xf32>) {
  linalg.matmul ins(%x, %w : memref<12x64xf32>, memref<64x64xf32>) outs(%out : memref<12x64xf32>)
  return
}
//--- good.yaml
version: 1
kernels:
  - target: avx2,fma
    kernel: 'matmul d0,d2:12x64xf32 d2,d1:64x64xf32 -> d0,d1:12x64xf32'
    rows: 3
    vectors: 1
    depth: 16
    block-columns: 32
//--- key.yaml
version: 1
kernels:
  - target: avx2,fma
    kernel: 'matmul'
    colums: 3
//--- value.yaml
version: 1
kernels:
  - target: avx2,fma
    kernel: 'matmul'
    rows: 65
//--- version.yaml
version: 7
kernels: []
//--- empty.yaml
//--- many.yaml
version: 1
kernels:
  - target: avx2,fma
    kernel: 'matmul d0,d2:12x64xf32 d2,d1:64x64xf32 -> d0,d1:12x64xf32'
    rows: 9
    vectors: 2
