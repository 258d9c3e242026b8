// RUN: vcc-opt %s -p 'lower-onnx,simplify-graph' --split-input-file | filecheck %s
// Linear to twice the size: sums of three shifted views along a new axis, which then merges with the old one.

// CHECK-LABEL: @double
// CHECK: %0 = graph.reshape %x : (tensor<1x2x5xf32>) -> tensor<1x2x5x1xf32>
// CHECK: %1 = graph.slice %0 {starts = array<i64: 0, 0, 0, 0>, sizes = array<i64: 1, 2, 4, 1>, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x2x5x1xf32>) -> tensor<1x2x4x1xf32>
// CHECK: %2 = graph.pad %1 {low = array<i64: 0, 0, 1, 0>, high = array<i64: 0, 0, 0, 0>, value = 0.000000e+00 : f32} : (tensor<1x2x4x1xf32>) -> tensor<1x2x5x1xf32>
// CHECK: %3 = graph.slice %0 {starts = array<i64: 0, 0, 1, 0>, sizes = array<i64: 1, 2, 4, 1>, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x2x5x1xf32>) -> tensor<1x2x4x1xf32>
// CHECK: %4 = graph.pad %3 {low = array<i64: 0, 0, 0, 0>, high = array<i64: 0, 0, 1, 0>, value = 0.000000e+00 : f32} : (tensor<1x2x4x1xf32>) -> tensor<1x2x5x1xf32>
// CHECK: %5 = weights.constant dense<{{\[\[}}0.000000e+00, 0.000000e+00], [2.500000e-01, 0.000000e+00], [2.500000e-01, 0.000000e+00], [2.500000e-01, 0.000000e+00], [2.500000e-01, 0.000000e+00{{\]\]}}> : tensor<5x2xf32>
// CHECK: %6 = graph.binary mul %2, %5 : (tensor<1x2x5x1xf32>, tensor<5x2xf32>) -> tensor<1x2x5x2xf32>
// CHECK: %7 = weights.constant dense<{{\[\[}}1.000000e+00, 7.500000e-01], [7.500000e-01, 7.500000e-01], [7.500000e-01, 7.500000e-01], [7.500000e-01, 7.500000e-01], [7.500000e-01, 1.000000e+00{{\]\]}}> : tensor<5x2xf32>
// CHECK: %8 = graph.binary mul %0, %7 : (tensor<1x2x5x1xf32>, tensor<5x2xf32>) -> tensor<1x2x5x2xf32>
// CHECK: %9 = weights.constant dense<{{\[\[}}0.000000e+00, 2.500000e-01], [0.000000e+00, 2.500000e-01], [0.000000e+00, 2.500000e-01], [0.000000e+00, 2.500000e-01], [0.000000e+00, 0.000000e+00{{\]\]}}> : tensor<5x2xf32>
// CHECK: %10 = graph.binary mul %4, %9 : (tensor<1x2x5x1xf32>, tensor<5x2xf32>) -> tensor<1x2x5x2xf32>
// CHECK: %11 = graph.binary add %6, %8 : (tensor<1x2x5x2xf32>, tensor<1x2x5x2xf32>) -> tensor<1x2x5x2xf32>
// CHECK: %12 = graph.binary add %11, %10 : (tensor<1x2x5x2xf32>, tensor<1x2x5x2xf32>) -> tensor<1x2x5x2xf32>
// CHECK: %y = graph.reshape %12 : (tensor<1x2x5x2xf32>) -> tensor<1x2x10xf32>
func.func @double(%x: tensor<1x2x5xf32>) -> tensor<1x2x10xf32> {
  %r = weights.constant dense<> : tensor<0xf32>
  %s = weights.constant dense<[1.0, 1.0, 2.0]> : tensor<3xf32>
  %y = "onnx.Resize.v13"(%x, %r, %s) <{mode = "linear"}> : (tensor<1x2x5xf32>, tensor<0xf32>, tensor<3xf32>) -> tensor<1x2x10xf32>
  func.return %y : tensor<1x2x10xf32>
}

// -----

// To the nearest of every second element: a slice.

// CHECK-LABEL: @half
// CHECK: %y = graph.slice %x {starts = array<i64: 0, 0, 0>, sizes = array<i64: 1, 2, 4>, steps = array<i64: 1, 1, 2>} : (tensor<1x2x8xf32>) -> tensor<1x2x4xf32>
func.func @half(%x: tensor<1x2x8xf32>) -> tensor<1x2x4xf32> {
  %r = weights.constant dense<> : tensor<0xf32>
  %s = weights.constant dense<[1.0, 1.0, 0.5]> : tensor<3xf32>
  %y = "onnx.Resize.v13"(%x, %r, %s) <{mode = "nearest", coordinate_transformation_mode = "asymmetric"}> : (tensor<1x2x8xf32>, tensor<0xf32>, tensor<3xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// -----

// To the nearest by another factor: a gather.

// CHECK-LABEL: @odd
// CHECK: %0 = weights.constant dense<[0, 0, 1, 2, 2, 3, 4]> : tensor<7xi32>
// CHECK: %y = graph.gather %x, %0 {axis = 2 : i64} : (tensor<1x2x5xf32>, tensor<7xi32>) -> tensor<1x2x7xf32>
func.func @odd(%x: tensor<1x2x5xf32>) -> tensor<1x2x7xf32> {
  %r = weights.constant dense<> : tensor<0xf32>
  %s = weights.constant dense<[1.0, 1.0, 1.5]> : tensor<3xf32>
  %y = "onnx.Resize.v13"(%x, %r, %s) <{mode = "nearest"}> : (tensor<1x2x5xf32>, tensor<0xf32>, tensor<3xf32>) -> tensor<1x2x7xf32>
  func.return %y : tensor<1x2x7xf32>
}
