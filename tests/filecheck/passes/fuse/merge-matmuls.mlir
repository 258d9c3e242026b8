// RUN: vcc-opt %s -p 'merge-matmuls{target=vn1}' --print-debuginfo | filecheck %s
// RUN: vcc-opt %s -p 'merge-matmuls{target=vn1},dce,form-kernels' | filecheck %s --check-prefix KERNELS

// Projections of one input become one product; their biases too. Slices take the places of their reshapes, below one of
// the whole, and keep the value names of those.

// CHECK-LABEL: func.func @projections
// KERNELS-LABEL: func.func @projections
func.func @projections(%x: tensor<1x8x4xf32>) -> tensor<1x2x8x8xf32> {
  %wq = weights.constant dense<1.0> : tensor<4x4xf32>
  %wk = weights.constant dense<2.0> : tensor<4x4xf32>
  %bq = weights.constant dense<3.0> : tensor<4xf32>
  %bk = weights.constant dense<4.0> : tensor<4xf32>
  // CHECK: [[W:%.*]] = weights.constant {{.*}} : tensor<4x8xf32>
  // CHECK: [[P:%.*]] = graph.matmul %x, [[W]] {remark = "merged 2 products of one input: saves {{[0-9]+}} cycles"}
  // CHECK-SAME: -> tensor<1x8x8xf32> loc(fused["q", "k"])
  // CHECK: [[B:%.*]] = weights.constant dense<[3.000000e+00, 3.000000e+00, 3.000000e+00, 3.000000e+00, 4.000000e+00, 4.000000e+00, 4.000000e+00, 4.000000e+00]>
  // CHECK: [[S:%.*]] = graph.binary add [[P]], [[B]]
  // CHECK-SAME: loc(fused["qb", "kb"])
  // CHECK: [[R:%.*]] = graph.reshape [[S]] : (tensor<1x8x8xf32>) -> tensor<1x8x4x2xf32>
  // CHECK: graph.slice [[R]] {values = {{\[\[}}"qh"]], starts = array<i64: 0, 0, 0, 0>, sizes = array<i64: 1, 8, 2, 2>
  // CHECK: graph.slice {{.*}} {values = {{\[\[}}"kh"]], starts = array<i64: 0, 0, 2, 0>, sizes = array<i64: 1, 8, 2, 2>
  // The slices are part of the loads of the product that follows.
  // KERNELS: graph.kernel
  // KERNELS-NEXT: ^bb
  // KERNELS-NEXT: graph.matmul
  // KERNELS: graph.kernel
  // KERNELS-NEXT: ^bb
  // KERNELS-NEXT: graph.slice
  // KERNELS-NEXT: graph.transpose
  // KERNELS-NEXT: graph.slice
  // KERNELS-NEXT: graph.transpose
  // KERNELS-NEXT: graph.matmul
  // KERNELS-NOT: graph.kernel
  // KERNELS: func.return
  %q = graph.matmul %x, %wq : (tensor<1x8x4xf32>, tensor<4x4xf32>) -> tensor<1x8x4xf32> loc("q")
  %qb = graph.binary add %q, %bq : (tensor<1x8x4xf32>, tensor<4xf32>) -> tensor<1x8x4xf32> loc("qb")
  %qh = graph.reshape %qb {values = [["qh"]]} : (tensor<1x8x4xf32>) -> tensor<1x8x2x2xf32>
  %qt = graph.transpose %qh {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x8x2x2xf32>) -> tensor<1x2x8x2xf32>
  %k = graph.matmul %x, %wk : (tensor<1x8x4xf32>, tensor<4x4xf32>) -> tensor<1x8x4xf32> loc("k")
  %kb = graph.binary add %bk, %k : (tensor<4xf32>, tensor<1x8x4xf32>) -> tensor<1x8x4xf32> loc("kb")
  %kh = graph.reshape %kb {values = [["kh"]]} : (tensor<1x8x4xf32>) -> tensor<1x8x2x2xf32>
  %kt = graph.transpose %kh {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x8x2x2xf32>) -> tensor<1x2x2x8xf32>
  %s = graph.matmul %qt, %kt : (tensor<1x2x8x2xf32>, tensor<1x2x2x8xf32>) -> tensor<1x2x8x8xf32>
  func.return %s : tensor<1x2x8x8xf32>
}

// A result of the model needs elements of its own: copying both would cost more than one launch.
// CHECK-LABEL: func.func @results
func.func @results(%x: tensor<8x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>) {
  %a = weights.constant dense<1.0> : tensor<4x4xf32>
  %b = weights.constant dense<2.0> : tensor<4x4xf32>
  // CHECK: graph.matmul %x, %a {remark = "kept apart from the other products of its input: merging them would cost {{[0-9]+}} cycles"}
  // CHECK: graph.matmul %x, %b
  %0 = graph.matmul %x, %a : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %1 = graph.matmul %x, %b : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  func.return %0, %1 : tensor<8x4xf32>, tensor<8x4xf32>
}

// What goes on elementwise would lose its place in the product's kernel.
// CHECK-LABEL: func.func @gate
func.func @gate(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %a = weights.constant dense<1.0> : tensor<4x4xf32>
  %b = weights.constant dense<2.0> : tensor<4x4xf32>
  // CHECK: graph.matmul %x, %a {remark = "kept apart
  %0 = graph.matmul %x, %a : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %1 = graph.matmul %x, %b : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %2 = graph.unary sigmoid %0 : (tensor<8x4xf32>) -> tensor<8x4xf32>
  %3 = graph.binary mul %2, %1 : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  func.return %3 : tensor<8x4xf32>
}
