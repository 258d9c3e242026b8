// RUN: vcc-opt %s -p simplify-graph --print-debuginfo | filecheck %s

// CHECK-LABEL: func.func @transposes_cancel
func.func @transposes_cancel(%x: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  // CHECK-NEXT: %0 = graph.unary exp %x
  %0 = graph.transpose %x {perm = array<i64: 0, 2, 1>} : (tensor<2x3x4xf32>) -> tensor<2x4x3xf32>
  %1 = graph.transpose %0 {perm = array<i64: 0, 2, 1>} : (tensor<2x4x3xf32>) -> tensor<2x3x4xf32>
  %2 = graph.unary exp %1 : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  func.return %2 : tensor<2x3x4xf32>
}

// CHECK-LABEL: func.func @transpose_of_ones
func.func @transpose_of_ones(%x: tensor<2x3x1x1xf32>) -> tensor<2x3xf32> {
  // CHECK-NEXT: graph.reshape %x {values = {{\[\[}}"flat"]]} : (tensor<2x3x1x1xf32>) -> tensor<2x3xf32> loc(fused["t", "r"])
  %0 = graph.transpose %x {perm = array<i64: 0, 2, 3, 1>} : (tensor<2x3x1x1xf32>) -> tensor<2x1x1x3xf32> loc("t")
  %1 = graph.reshape %0 {values = [["flat"]]} : (tensor<2x1x1x3xf32>) -> tensor<2x3xf32> loc("r")
  func.return %1 : tensor<2x3xf32>
}

// CHECK-LABEL: func.func @transpose_between_reshapes
func.func @transpose_between_reshapes(%x: tensor<1x2x3x4xf32>) -> (tensor<1x2x4x3xf32>, tensor<2x4x3xf32>) {
  // CHECK-NEXT: %[[A:.*]] = graph.reshape %x
  // CHECK-NEXT: graph.transpose %[[A]]
  // CHECK-NEXT: %[[Y:.*]] = graph.transpose %x {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x2x3x4xf32>) -> tensor<1x2x4x3xf32>
  // CHECK-NEXT: func.return %[[Y]]
  %0 = graph.reshape %x : (tensor<1x2x3x4xf32>) -> tensor<2x3x4xf32>
  %1 = graph.transpose %0 {perm = array<i64: 0, 2, 1>} : (tensor<2x3x4xf32>) -> tensor<2x4x3xf32>
  %2 = graph.reshape %1 : (tensor<2x4x3xf32>) -> tensor<1x2x4x3xf32>
  func.return %2, %1 : tensor<1x2x4x3xf32>, tensor<2x4x3xf32>
}

// CHECK-LABEL: func.func @weights_are_moved_now
func.func @weights_are_moved_now() -> tensor<3x2xf32> {
  // CHECK-NEXT: weights.constant {{.*}}dense<{{\[\[}}0.000000e+00, 3.000000e+00], [1.000000e+00, 4.000000e+00], [2.000000e+00, 5.000000e+00]]> : tensor<3x2xf32>
  %w = weights.constant dense<[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]> : tensor<2x3xf32>
  %0 = graph.transpose %w {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  func.return %0 : tensor<3x2xf32>
}

// x * 1 is x, whatever x is; x + 0 is not where x is -0.
// CHECK-LABEL: func.func @neutral
func.func @neutral(%x: tensor<4xf32>) -> tensor<4xf32> {
  %one = weights.constant dense<1.0> : tensor<f32>
  %zero = weights.constant dense<0.0> : tensor<f32>
  // CHECK: graph.binary add %x, %zero
  %0 = graph.binary mul %one, %x : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = graph.binary sub %0, %zero : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %2 = graph.binary add %1, %zero : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  // CHECK-NEXT: func.return
  func.return %2 : tensor<4xf32>
}

// A factor that makes the tensor larger stays.
// CHECK-LABEL: func.func @broadcasting_one
func.func @broadcasting_one(%x: tensor<4xf32>) -> tensor<2x4xf32> {
  %one = weights.constant dense<1.0> : tensor<2x1xf32>
  // CHECK: graph.binary mul
  %0 = graph.binary mul %x, %one : (tensor<4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  func.return %0 : tensor<2x4xf32>
}

// CHECK-LABEL: func.func @relayouts_cancel
func.func @relayouts_cancel(%x: tensor<1x16xf32>) -> tensor<1x16xf32> {
  // CHECK-NEXT: func.return %x
  %0 = graph.relayout %x : (tensor<1x16xf32>) -> tensor<1x16xf32, #graph.blocked<axis = 1, block = 16>>
  %1 = graph.relayout %0 : (tensor<1x16xf32, #graph.blocked<axis = 1, block = 16>>) -> tensor<1x16xf32>
  func.return %1 : tensor<1x16xf32>
}

// Reshapes join only in row-major order.
// CHECK-LABEL: func.func @blocked_reshape_stays
func.func @blocked_reshape_stays(%x: tensor<1x16xf32, #graph.blocked<axis = 1, block = 16>>) -> tensor<2x8xf32> {
  // CHECK-COUNT-2: graph.reshape
  %0 = graph.reshape %x : (tensor<1x16xf32, #graph.blocked<axis = 1, block = 16>>) -> tensor<16xf32>
  %1 = graph.reshape %0 : (tensor<16xf32>) -> tensor<2x8xf32>
  func.return %1 : tensor<2x8xf32>
}
