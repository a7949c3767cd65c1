// RUN: quant-opt %s --quantc-profile-kernels --canonicalize | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>

// What the counters stand for.
// CHECK: module attributes {qnn.profile = [
// CHECK-SAME: {kernel = "product", nodes = "first", operations = "f32"}
// CHECK-SAME: {kernel = "product", nodes = "second + relu", operations = "f32"}
// CHECK-SAME: {kernel = "words", nodes = "", operations = "int8"}
// CHECK-SAME: {kernel = "lookup", nodes = "", operations = ""}
// CHECK-SAME: {kernel = "few_bits", nodes = "", operations = "f32"}
// CHECK: llvm.mlir.global internal @__quantc_profile_counters() {{.*}} : !llvm.array<5 x array<4 x i64>>

// CHECK-LABEL: func.func @main
func.func @main(%x: memref<?x16xf32>, %w: memref<16x32xf32>, %y: memref<?x32xf32>,
                %a: memref<4x8xi8>, %b: memref<8x4xi8>, %c: memref<4x4xi32>,
                %table: memref<1000x3xf32>, %rows: memref<5xi64>, %found: memref<5x3xf32>,
                %codes: memref<16x32xi8>) {
  // The size that only the call tells: 2 · n · 32 · 16 operations.
  // CHECK-DAG: %[[SIZE:.*]] = memref.dim %{{.*}}, %{{.*}} : memref<?x16xf32>
  // CHECK-DAG: %[[N:.*]] = arith.index_cast %[[SIZE]] : index to i64
  // CHECK-DAG: %[[FACTOR:.*]] = arith.constant 1024 : i64
  // CHECK-DAG: %[[OPS:.*]] = arith.muli %[[N]], %[[FACTOR]] : i64
  // CHECK: %[[START:.*]] = call @quantc_rt_profile_begin() : () -> i64
  // CHECK-NEXT: call @product
  // CHECK-NEXT: call @quantc_rt_profile_end(%{{.*}}, %[[START]], %[[OPS]], %{{.*}})
  func.call @product(%x, %w, %y) : (memref<?x16xf32>, memref<16x32xf32>, memref<?x32xf32>) -> () loc("first")
  // CHECK: call @product
  func.call @product(%x, %w, %y) : (memref<?x16xf32>, memref<16x32xf32>, memref<?x32xf32>) -> () loc(fused["second", "relu"])
  // 2 · 4 · 4 · 8 operations; 32 + 32 + 64 bytes.
  // CHECK: call @words
  // CHECK-NEXT: call @quantc_rt_profile_end(%{{.*}}, %{{.*}}, %c256_i64{{.*}}, %c128_i64{{.*}})
  func.call @words(%a, %b, %c) : (memref<4x8xi8>, memref<8x4xi8>, memref<4x4xi32>) -> ()
  // Of the table, five rows are read: 60 bytes, beside 40 and 60.
  // CHECK: call @lookup
  // CHECK-NEXT: call @quantc_rt_profile_end(%{{.*}}, %{{.*}}, %c0_i64{{.*}}, %c160_i64{{.*}})
  func.call @lookup(%rows, %table, %found) : (memref<5xi64>, memref<1000x3xf32>, memref<5x3xf32>) -> ()
  // Codes of 4 bits: 256 bytes, beside 64 · n and 128 · n.
  // CHECK-DAG: arith.addi %{{.*}}, %c256_i64
  // CHECK: call @few_bits
  func.call @few_bits(%x, %codes, %y) : (memref<?x16xf32>, memref<16x32xi8>, memref<?x32xf32>) -> ()
  return
}

func.func private @product(%x: memref<?x16xf32>, %w: memref<16x32xf32>, %y: memref<?x32xf32>) {
  linalg.matmul ins(%x, %w : memref<?x16xf32>, memref<16x32xf32>) outs(%y : memref<?x32xf32>)
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%y : memref<?x32xf32>) outs(%y : memref<?x32xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %in : f32
    linalg.yield %s : f32
  }
  return
}

func.func private @words(%a: memref<4x8xi8>, %b: memref<8x4xi8>, %c: memref<4x4xi32>) {
  linalg.matmul ins(%a, %b : memref<4x8xi8>, memref<8x4xi8>) outs(%c : memref<4x4xi32>)
  return
}

func.func private @lookup(%rows: memref<5xi64>, %table: memref<1000x3xf32>, %found: memref<5x3xf32>) {
  linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0)>, #id], iterator_types = ["parallel", "parallel"]}
      ins(%rows : memref<5xi64>) outs(%found : memref<5x3xf32>) {
  ^bb0(%row: i64, %out: f32):
    %i = arith.index_cast %row : i64 to index
    %j = linalg.index 1 : index
    %e = memref.load %table[%i, %j] : memref<1000x3xf32>
    linalg.yield %e : f32
  }
  return
}

func.func private @few_bits(%x: memref<?x16xf32>, %codes: memref<16x32xi8>, %y: memref<?x32xf32>) {
  linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>,
                                   affine_map<(d0, d1, d2) -> (d0, d1)>],
                  iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %codes : memref<?x16xf32>, memref<16x32xi8>) outs(%y : memref<?x32xf32>) {
  ^bb0(%in: f32, %code: i8, %out: f32):
    %bits = arith.trunci %code : i8 to i4
    %number = arith.sitofp %bits : i4 to f32
    %p = arith.mulf %in, %number : f32
    %s = arith.addf %out, %p : f32
    linalg.yield %s : f32
  }
  return
}
