// RUN: vcc-opt %s -p 'form-kernels{target="host-avx512"}' | filecheck %s
// Reductions of one tensor along the same axes are one kernel, which computes the tensor once.

// CHECK-LABEL: func.func @range
// CHECK: graph.kernel %x {kind = "reduce", remarks = ["computes 1 operation before it, {{.*}} joined with another reduction of the same tensor; {{.*}}"]}
// CHECK-NEXT: ^{{.*}}
// CHECK-NEXT: graph.unary tanh
// CHECK-NEXT: graph.reduce min
// CHECK-NEXT: graph.reduce max
// CHECK-NEXT: graph.yield
// CHECK-NOT: graph.kernel
func.func @range(%x: tensor<64x4096xf32>) -> (tensor<64xf32>, tensor<64xf32>) {
  %t = graph.unary tanh %x : (tensor<64x4096xf32>) -> tensor<64x4096xf32>
  %0 = graph.reduce min %t {axes = array<i64: 1>, keepdims = false} : (tensor<64x4096xf32>) -> tensor<64xf32>
  %1 = graph.reduce max %t {axes = array<i64: 1>, keepdims = false} : (tensor<64x4096xf32>) -> tensor<64xf32>
  func.return %0, %1 : tensor<64xf32>, tensor<64xf32>
}

// Not along other axes, and not where something between them needs the first.

// CHECK-LABEL: func.func @apart
// CHECK-COUNT-4: graph.kernel
func.func @apart(%x: tensor<64x4096xf32>) -> (tensor<4096xf32>, tensor<f32>, tensor<64xf32>) {
  %0 = graph.reduce min %x {axes = array<i64: 1>, keepdims = false} : (tensor<64x4096xf32>) -> tensor<64xf32>
  %1 = graph.reduce max %x {axes = array<i64: 0>, keepdims = false} : (tensor<64x4096xf32>) -> tensor<4096xf32>
  %2 = graph.reduce max %0 {axes = array<i64: 0>, keepdims = false} : (tensor<64xf32>) -> tensor<f32>
  %3 = graph.reduce max %x {axes = array<i64: 1>, keepdims = false} : (tensor<64x4096xf32>) -> tensor<64xf32>
  func.return %1, %2, %3 : tensor<4096xf32>, tensor<f32>, tensor<64xf32>
}

// What reads the tensor in the same kernel behind a reduction of it computes it there, not before: the reduction has a
// computation of its own.

// CHECK-LABEL: func.func @behind
// CHECK: graph.kernel %x {kind = "reduce"
// CHECK-NEXT: ^{{.*}}(%[[X:.*]]: tensor<64x1xf32>):
// CHECK-NEXT: %[[T:.*]] = graph.unary tanh %[[X]] :
// CHECK-NEXT: %[[R:.*]] = graph.reduce max %[[T]] {
// CHECK-NEXT: %[[U:.*]] = graph.unary tanh %[[X]] :
// CHECK-NEXT: graph.binary sub %[[R]], %[[U]] :
// CHECK-NEXT: graph.yield
func.func @behind(%x: tensor<64x1xf32>) -> tensor<64x1xf32> {
  %t = graph.unary tanh %x : (tensor<64x1xf32>) -> tensor<64x1xf32>
  %0 = graph.reduce max %t {axes = array<i64: 1>, keepdims = true} : (tensor<64x1xf32>) -> tensor<64x1xf32>
  %1 = graph.binary sub %0, %t : (tensor<64x1xf32>, tensor<64x1xf32>) -> tensor<64x1xf32>
  func.return %1 : tensor<64x1xf32>
}
