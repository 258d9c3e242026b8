// RUN: vcc-opt %s -p fold-batchnorm --print-debuginfo | filecheck %s

// The convolution takes the value name of what it swallowed and loses its own.

// CHECK-LABEL: func.func @conv
func.func @conv(%x: tensor<1x1x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = weights.constant dense<[[[[1.0]]], [[[2.0]]]]> : tensor<2x1x1x1xf32>
  %s = weights.constant dense<[[[3.0]], [[5.0]]]> : tensor<2x1x1xf32>
  %t = weights.constant dense<[[[7.0]], [[9.0]]]> : tensor<2x1x1xf32>
  // CHECK-DAG: [[W:%.*]] = weights.constant dense<{{\[\[\[\[}}3.000000e+00]]], {{\[\[\[}}1.000000e+01]]]]> : tensor<2x1x1x1xf32>
  // CHECK-DAG: [[B:%.*]] = weights.constant dense<[7.000000e+00, 9.000000e+00]> : tensor<2xf32>
  // CHECK:     graph.conv %x, [[W]], [[B]] {values = {{\[\[}}"y"]], pads
  // CHECK-SAME: loc(fused["conv", "bn"])
  // CHECK-NEXT: func.return
  %0 = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64, values = [["c"]]} : (tensor<1x1x4x4xf32>, tensor<2x1x1x1xf32>) -> tensor<1x2x4x4xf32> loc("conv")
  %1 = graph.binary mul %0, %s : (tensor<1x2x4x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4x4xf32> loc("bn")
  %2 = graph.binary add %1, %t {values = [["y"]]} : (tensor<1x2x4x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4x4xf32> loc("bn")
  func.return %2 : tensor<1x2x4x4xf32>
}

// CHECK-LABEL: func.func @matmul
func.func @matmul(%x: tensor<4x1xf32>) -> tensor<4x2xf32> {
  %w = weights.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %c = weights.constant dense<[1.0, 1.0]> : tensor<2xf32>
  %s = weights.constant dense<[3.0, 5.0]> : tensor<2xf32>
  // CHECK-DAG: [[W:%.*]] = weights.constant dense<{{\[\[}}3.000000e+00, 1.000000e+01]]> : tensor<1x2xf32>
  // CHECK-DAG: [[C:%.*]] = weights.constant dense<[3.000000e+00, 5.000000e+00]> : tensor<2xf32>
  // CHECK: [[P:%.*]] = graph.matmul %x, [[W]]
  // CHECK: graph.binary add [[P]], [[C]]
  %0 = graph.matmul %x, %w : (tensor<4x1xf32>, tensor<1x2xf32>) -> tensor<4x2xf32>
  %1 = graph.binary add %0, %c : (tensor<4x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  %2 = graph.binary mul %1, %s : (tensor<4x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  func.return %2 : tensor<4x2xf32>
}

// What else needs the convolution's own result keeps it.
// CHECK-LABEL: func.func @two_uses
func.func @two_uses(%x: tensor<1x1x4x4xf32>) -> (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
  %w = weights.constant dense<[[[[1.0]]], [[[2.0]]]]> : tensor<2x1x1x1xf32>
  %s = weights.constant dense<3.0> : tensor<f32>
  // CHECK: graph.conv
  // CHECK-NEXT: graph.binary mul
  %0 = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x1x4x4xf32>, tensor<2x1x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = graph.binary mul %0, %s : (tensor<1x2x4x4xf32>, tensor<f32>) -> tensor<1x2x4x4xf32>
  func.return %0, %1 : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
}
