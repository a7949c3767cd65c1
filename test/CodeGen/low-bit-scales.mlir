// RUN: quant-opt %s --linalg-to-llvm="target-features=+avx2,+fma threads=false" --split-input-file | FileCheck %s
// RUN: quant-opt %s --linalg-to-llvm="target-features=+sse2,+avx2,+fma threads=false" --split-input-file | FileCheck %s --check-prefix=BYTES

// Multiples of one number a column: 32 factors of 4 bytes, and 3 blocks of 32 bytes.
// CHECK: llvm.mlir.global private constant @{{.*}}blocks3scales2({{.*}} : !llvm.array<224 x i8>
// CHECK: llvm.sitofp %{{.*}} : vector<8xi8> to vector<8xf32>
#x = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#w = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
#s = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
#y = affine_map<(d0, d1, d2, d3) -> (d0, d1)>
func.func @bytes(%x: tensor<1x3x8xf32>) -> tensor<1x2xf32> {
  %w = arith.constant dense<[[[-7, -7], [-6, -2], [-5, 3], [-4, -7], [-3, -2], [-2, 3], [-1, -7], [0, -2]], [[1, -4], [2, 1], [3, 6], [4, -4], [5, 1], [6, 6], [7, -4], [-7, 1]], [[-6, -1], [-5, 4], [-4, -6], [-3, -1], [-2, 4], [-1, -6], [0, -1], [1, 4]]]> : tensor<3x8x2xi8>
  %s = arith.constant dense<[[127.0, 254.0], [1.0, 6.0], [-5.0, 2.0]]> : tensor<3x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2xf32>) -> tensor<1x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w, %s : tensor<1x3x8xf32>, tensor<3x8x2xi8>, tensor<3x2xf32>)
      outs(%f : tensor<1x2xf32>) {
  ^bb0(%a: f32, %b: i8, %c: f32, %o: f32):
    %0 = arith.trunci %b : i8 to i4
    %1 = arith.extsi %0 : i4 to i32
    %2 = arith.sitofp %1 : i32 to f32
    %3 = arith.mulf %2, %c : f32
    %4 = arith.mulf %a, %3 : f32
    %5 = arith.addf %o, %4 : f32
    linalg.yield %5 : f32
  } -> tensor<1x2xf32>
  return %p : tensor<1x2xf32>
}

// -----

// Numbers of E4M3 times one number: 448, 1.125 and so on, times 0.5.
// CHECK: llvm.mlir.global private constant @{{.*}}blocks3scales3({{.*}} : !llvm.array<224 x i8>
// CHECK: llvm.zext %{{.*}} : vector<8xi8> to vector<8xi32>
#x = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#w = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
#s = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
#y = affine_map<(d0, d1, d2, d3) -> (d0, d1)>
func.func @small_floats(%x: tensor<1x3x8xf32>) -> tensor<1x2xf32> {
  %w = arith.constant dense<[[[-7, -7], [-6, -2], [-5, 3], [-4, -7], [-3, -2], [-2, 3], [-1, -7], [0, -2]], [[1, -4], [2, 1], [3, 6], [4, -4], [5, 1], [6, 6], [7, -4], [-7, 1]], [[-6, -1], [-5, 4], [-4, -6], [-3, -1], [-2, 4], [-1, -6], [0, -1], [1, 4]]]> : tensor<3x8x2xi8>
  %s = arith.constant dense<[[224.0, 0.5625], [0.0009765625, 3.25], [96.0, 0.8125]]> : tensor<3x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2xf32>) -> tensor<1x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w, %s : tensor<1x3x8xf32>, tensor<3x8x2xi8>, tensor<3x2xf32>)
      outs(%f : tensor<1x2xf32>) {
  ^bb0(%a: f32, %b: i8, %c: f32, %o: f32):
    %0 = arith.trunci %b : i8 to i4
    %1 = arith.extsi %0 : i4 to i32
    %2 = arith.sitofp %1 : i32 to f32
    %3 = arith.mulf %2, %c : f32
    %4 = arith.mulf %a, %3 : f32
    %5 = arith.addf %o, %4 : f32
    linalg.yield %5 : f32
  } -> tensor<1x2xf32>
  return %p : tensor<1x2xf32>
}

// -----

// Integers of 6 bits times an f16 for scales, and for offsets of zero points. 32 columns have an f16 each, then 3 blocks a
// byte, or 2 bytes for 4 blocks. Scales multiply sums of pairs while these are integers.
// CHECK-DAG: llvm.mlir.global private constant @{{.*}}blocks3offsets{{.*}} : !llvm.array<160 x i8>
// CHECK-DAG: llvm.mlir.global private constant @{{.*}}blocks3offsets{{.*}} : !llvm.array<128 x i8>
// CHECK-LABEL: llvm.func @offsets
// BYTES-LABEL: llvm.func @offsets
// BYTES: %[[SCALES:.*]] = llvm.bitcast %{{.*}} : vector<8xi32> to vector<16xi16>
// BYTES-NEXT: "llvm.x86.avx2.pmadd.wd"(%{{.*}}, %[[SCALES]])
#x = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#w = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
#s = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
#y = affine_map<(d0, d1, d2, d3) -> (d0, d1)>
func.func @offsets(%x: tensor<1x3x32xf32>) -> tensor<1x2xf32> {
  %w = arith.constant dense<"0xF8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03"> : tensor<3x32x2xi8>
  %s = arith.constant dense<[[31.5, 63.0], [0.5, 2.0], [5.0, 4.0]]> : tensor<3x2xf32>
  %z = arith.constant dense<[[-6.0, -7.0], [0.0, -7.0], [-7.0, -6.0]]> : tensor<3x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2xf32>) -> tensor<1x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w, %s, %z : tensor<1x3x32xf32>, tensor<3x32x2xi8>, tensor<3x2xf32>, tensor<3x2xf32>)
      outs(%f : tensor<1x2xf32>) {
  ^bb0(%a: f32, %b: i8, %c: f32, %d: f32, %o: f32):
    %0 = arith.trunci %b : i8 to i4
    %1 = arith.extsi %0 : i4 to i32
    %2 = arith.sitofp %1 : i32 to f32
    %3 = arith.subf %2, %d : f32
    %4 = arith.mulf %3, %c : f32
    %5 = arith.mulf %a, %4 : f32
    %6 = arith.addf %o, %5 : f32
    linalg.yield %6 : f32
  } -> tensor<1x2xf32>
  return %p : tensor<1x2xf32>
}

// -----

// These zero points are no such offsets.
// CHECK-DAG: llvm.mlir.global private constant @{{.*}}blocks3scales2({{.*}} : !llvm.array<224 x i8>
// CHECK-DAG: llvm.mlir.global private constant @{{.*}}blocks3scales2({{.*}} : !llvm.array<96 x f32>
// CHECK-LABEL: llvm.func @no_offsets
#x = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#w = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
#s = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
#y = affine_map<(d0, d1, d2, d3) -> (d0, d1)>
func.func @no_offsets(%x: tensor<1x3x32xf32>) -> tensor<1x2xf32> {
  %w = arith.constant dense<"0xF8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03F8FD0207FC0106FB0005FAFF04F9FE03"> : tensor<3x32x2xi8>
  %s = arith.constant dense<[[31.5, 63.0], [0.5, 2.0], [5.0, 4.0]]> : tensor<3x2xf32>
  %z = arith.constant dense<[[-6.5, -7.0], [0.1, -7.0], [-7.0, -6.0]]> : tensor<3x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2xf32>) -> tensor<1x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w, %s, %z : tensor<1x3x32xf32>, tensor<3x32x2xi8>, tensor<3x2xf32>, tensor<3x2xf32>)
      outs(%f : tensor<1x2xf32>) {
  ^bb0(%a: f32, %b: i8, %c: f32, %d: f32, %o: f32):
    %0 = arith.trunci %b : i8 to i4
    %1 = arith.extsi %0 : i4 to i32
    %2 = arith.sitofp %1 : i32 to f32
    %3 = arith.subf %2, %d : f32
    %4 = arith.mulf %3, %c : f32
    %5 = arith.mulf %a, %4 : f32
    %6 = arith.addf %o, %5 : f32
    linalg.yield %6 : f32
  } -> tensor<1x2xf32>
  return %p : tensor<1x2xf32>
}

// -----

// Anything else stays as it is.
// CHECK: llvm.mlir.global private constant @{{.*}}blocks3scales0({{.*}} : !llvm.array<96 x f32>
#x = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#w = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
#s = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
#y = affine_map<(d0, d1, d2, d3) -> (d0, d1)>
func.func @floats(%x: tensor<1x3x8xf32>) -> tensor<1x2xf32> {
  %w = arith.constant dense<[[[-7, -7], [-6, -2], [-5, 3], [-4, -7], [-3, -2], [-2, 3], [-1, -7], [0, -2]], [[1, -4], [2, 1], [3, 6], [4, -4], [5, 1], [6, 6], [7, -4], [-7, 1]], [[-6, -1], [-5, 4], [-4, -6], [-3, -1], [-2, 4], [-1, -6], [0, -1], [1, 4]]]> : tensor<3x8x2xi8>
  %s = arith.constant dense<[[224.3, 0.5625], [0.2, 3.25], [96.0, 0.8125]]> : tensor<3x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2xf32>) -> tensor<1x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w, %s : tensor<1x3x8xf32>, tensor<3x8x2xi8>, tensor<3x2xf32>)
      outs(%f : tensor<1x2xf32>) {
  ^bb0(%a: f32, %b: i8, %c: f32, %o: f32):
    %0 = arith.trunci %b : i8 to i4
    %1 = arith.extsi %0 : i4 to i32
    %2 = arith.sitofp %1 : i32 to f32
    %3 = arith.mulf %2, %c : f32
    %4 = arith.mulf %a, %3 : f32
    %5 = arith.addf %o, %4 : f32
    linalg.yield %5 : f32
  } -> tensor<1x2xf32>
  return %p : tensor<1x2xf32>
}

// -----

// A table of E4M3's numbers is none: codes are the upper bits of floats.
// CHECK-LABEL: llvm.func @small_float_codes
// CHECK-NOT: llvm.intr.masked.gather
// CHECK: llvm.bitcast %{{.*}} : vector<8xi32> to vector<8xf32>
// CHECK-NOT: llvm.intr.masked.gather
#x = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#w = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
#s = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
#y = affine_map<(d0, d1, d2, d3) -> (d0, d1)>
func.func @small_float_codes(%x: tensor<1x3x8xf32>) -> tensor<1x2xf32> {
  %t = arith.constant dense<"0x000000000000003B0000803B0000C03B0000003C0000203C0000403C0000603C0000803C0000903C0000A03C0000B03C0000C03C0000D03C0000E03C0000F03C0000003D0000103D0000203D0000303D0000403D0000503D0000603D0000703D0000803D0000903D0000A03D0000B03D0000C03D0000D03D0000E03D0000F03D0000003E0000103E0000203E0000303E0000403E0000503E0000603E0000703E0000803E0000903E0000A03E0000B03E0000C03E0000D03E0000E03E0000F03E0000003F0000103F0000203F0000303F0000403F0000503F0000603F0000703F0000803F0000903F0000A03F0000B03F0000C03F0000D03F0000E03F0000F03F000000400000104000002040000030400000404000005040000060400000704000008040000090400000A0400000B0400000C0400000D0400000E0400000F040000000410000104100002041000030410000404100005041000060410000704100008041000090410000A0410000B0410000C0410000D0410000E0410000F041000000420000104200002042000030420000404200005042000060420000704200008042000090420000A0420000B0420000C0420000D0420000E0420000F042000000430000104300002043000030430000404300005043000060430000704300008043000090430000A0430000B0430000C0430000D0430000E0430000000000000080000000BB000080BB0000C0BB000000BC000020BC000040BC000060BC000080BC000090BC0000A0BC0000B0BC0000C0BC0000D0BC0000E0BC0000F0BC000000BD000010BD000020BD000030BD000040BD000050BD000060BD000070BD000080BD000090BD0000A0BD0000B0BD0000C0BD0000D0BD0000E0BD0000F0BD000000BE000010BE000020BE000030BE000040BE000050BE000060BE000070BE000080BE000090BE0000A0BE0000B0BE0000C0BE0000D0BE0000E0BE0000F0BE000000BF000010BF000020BF000030BF000040BF000050BF000060BF000070BF000080BF000090BF0000A0BF0000B0BF0000C0BF0000D0BF0000E0BF0000F0BF000000C0000010C0000020C0000030C0000040C0000050C0000060C0000070C0000080C0000090C00000A0C00000B0C00000C0C00000D0C00000E0C00000F0C0000000C1000010C1000020C1000030C1000040C1000050C1000060C1000070C1000080C1000090C10000A0C10000B0C10000C0C10000D0C10000E0C10000F0C1000000C2000010C2000020C2000030C2000040C2000050C2000060C2000070C2000080C2000090C20000A0C20000B0C20000C0C20000D0C20000E0C20000F0C2000000C3000010C3000020C3000030C3000040C3000050C3000060C3000070C3000080C3000090C30000A0C30000B0C30000C0C30000D0C30000E0C300000080"> : tensor<256xf32>
  %w = arith.constant dense<"0x052A4F7499BEE3082D52779CC1E60B30557A9FC4E90E33587DA2C7EC11365B80A5CAEF14395E83A8CDF2173C6186ABD0"> : tensor<3x8x2xi8>
  %s = arith.constant dense<[[224.3, 0.5625], [0.2, 3.25], [96.0, 0.8125]]> : tensor<3x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2xf32>) -> tensor<1x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w, %s : tensor<1x3x8xf32>, tensor<3x8x2xi8>, tensor<3x2xf32>)
      outs(%f : tensor<1x2xf32>) {
  ^bb0(%a: f32, %b: i8, %c: f32, %o: f32):
    %1 = arith.index_castui %b : i8 to index
    %2 = tensor.extract %t[%1] : tensor<256xf32>
    %3 = arith.mulf %2, %c : f32
    %4 = arith.mulf %a, %3 : f32
    %5 = arith.addf %o, %4 : f32
    linalg.yield %5 : f32
  } -> tensor<1x2xf32>
  return %p : tensor<1x2xf32>
}
