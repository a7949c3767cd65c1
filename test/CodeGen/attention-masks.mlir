// RUN: quant-opt %s --quantc-lower-attention="target-features=+avx2,+fma threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s

#q = affine_map<(h, m, n, k) -> (h, m, k)>
#k = affine_map<(h, m, n, k) -> (h, n, k)>
#s = affine_map<(h, m, n, k) -> (h, m, n)>
#id = affine_map<(h, m, n) -> (h, m, n)>
#mask = affine_map<(h, m, n) -> (m, n)>
#row = affine_map<(h, m, n) -> (h, m)>
#w = affine_map<(h, m, k, n) -> (h, m, n)>
#v = affine_map<(h, m, k, n) -> (h, n, k)>
#y = affine_map<(h, m, k, n) -> (h, m, k)>

// What is masked in all rows of a block behind some column is not computed. The
// mask tells: how far any row reaches (above -10^8), and whether each has a
// column that is not masked (above -10^4).
// CHECK-LABEL: func.func private @causal
// CHECK-SAME:    %[[MASK:[a-z0-9]+]]: memref<64x64xf32>
// CHECK-DAG:   %[[MASKED:.*]] = arith.constant -1.000000e+08 : f32
// CHECK-DAG:   %[[UNMASKED:.*]] = arith.constant -1.000000e+04 : f32
// CHECK:         %[[FOUND:.*]]:2 = scf.for
// CHECK:           %[[OWN:.*]]:2 = scf.for
// CHECK:             %[[MOST:.*]] = vector.reduction <maximumf>
// CHECK:             arith.cmpf ugt, %[[MOST]], %[[MASKED]] : f32
// CHECK:             arith.maximumf
// CHECK:           %[[BEST:.*]] = vector.reduction <maximumf>, %[[OWN]]#1
// CHECK:           arith.minnumf %{{.*}}, %[[BEST]] : f32
// CHECK:         %[[SEES:.*]] = arith.cmpf ugt, %[[FOUND]]#1, %[[UNMASKED]] : f32
// CHECK:         %[[COLUMNS:.*]] = arith.select %[[SEES]], %{{.*}}, %c64
// CHECK:         memref.view %{{.*}}[%c0][%[[COLUMNS]]] : memref<{{.*}}xi8> to memref<1x64x?xf32>
func.func private @causal(%q: memref<2x64x8xf32>, %k: memref<2x64x8xf32>, %mask: memref<64x64xf32>,
                          %v: memref<2x64x8xf32>, %y: memref<2x64x8xf32>) {
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %scores = memref.alloc() : memref<2x64x64xf32>
  linalg.fill ins(%zero : f32) outs(%scores : memref<2x64x64xf32>)
  linalg.generic {indexing_maps = [#q, #k, #s], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k : memref<2x64x8xf32>, memref<2x64x8xf32>) outs(%scores : memref<2x64x64xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %o, %0 : f32
    linalg.yield %1 : f32
  }
  %masked = memref.alloc() : memref<2x64x64xf32>
  linalg.generic {indexing_maps = [#id, #mask, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%scores, %mask : memref<2x64x64xf32>, memref<64x64xf32>) outs(%masked : memref<2x64x64xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.addf %a, %b : f32
    linalg.yield %0 : f32
  }
  %maxima = memref.alloc() : memref<2x64xf32>
  linalg.fill ins(%lowest : f32) outs(%maxima : memref<2x64xf32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%masked : memref<2x64x64xf32>) outs(%maxima : memref<2x64xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.maximumf %o, %a : f32
    linalg.yield %0 : f32
  }
  %powers = memref.alloc() : memref<2x64x64xf32>
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%masked, %maxima : memref<2x64x64xf32>, memref<2x64xf32>) outs(%powers : memref<2x64x64xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.subf %a, %b : f32
    %1 = math.exp %0 : f32
    linalg.yield %1 : f32
  }
  %sums = memref.alloc() : memref<2x64xf32>
  linalg.fill ins(%zero : f32) outs(%sums : memref<2x64xf32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%powers : memref<2x64x64xf32>) outs(%sums : memref<2x64xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.addf %o, %a fastmath<reassoc,contract> : f32
    linalg.yield %0 : f32
  }
  %weights = memref.alloc() : memref<2x64x64xf32>
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%powers, %sums : memref<2x64x64xf32>, memref<2x64xf32>) outs(%weights : memref<2x64x64xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.divf %a, %b : f32
    linalg.yield %0 : f32
  }
  linalg.fill ins(%zero : f32) outs(%y : memref<2x64x8xf32>)
  linalg.generic {indexing_maps = [#w, #v, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%weights, %v : memref<2x64x64xf32>, memref<2x64x8xf32>) outs(%y : memref<2x64x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %o, %0 : f32
    linalg.yield %1 : f32
  }
  return
}
