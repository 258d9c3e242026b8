// RUN: vcc-opt %s -p 'expand-average-pool' --split-input-file | filecheck %s

// An inner window has as many positions as any other: one factor.

// CHECK-LABEL: @even
// CHECK-NOT: graph.pool average
// CHECK: %y = graph.pool add %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, overhang = array<i64: 0, 0>, count_include_pad = false} : (tensor<1x4x4x4xf32>) -> tensor<1x4x2x2xf32>
// CHECK: %y_1 = weights.constant dense<2.500000e-01> : tensor<f32>
// CHECK: %y_2 = graph.binary mul %y, %y_1 : (tensor<1x4x2x2xf32>, tensor<f32>) -> tensor<1x4x2x2xf32>
// CHECK-NOT: graph.pool average
func.func @even(%x: tensor<1x4x4x4xf32>) -> tensor<1x4x2x2xf32> {
  %y = graph.pool average %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, overhang = array<i64: 0, 0>, count_include_pad = false} : (tensor<1x4x4x4xf32>) -> tensor<1x4x2x2xf32>
  func.return %y : tensor<1x4x2x2xf32>
}

// -----

// Padding does not count, so that windows at the border have fewer positions.

// CHECK-LABEL: @border
// CHECK-NOT: graph.pool average
// CHECK: %y = graph.pool add %x {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, overhang = array<i64: 0, 0>, count_include_pad = false} : (tensor<1x4x3x3xf32>) -> tensor<1x4x3x3xf32>
// CHECK: %y_1 = weights.constant dense<{{\[\[}}2.500000e-01, 0.166666672, 2.500000e-01], [0.166666672, 0.111111112, 0.166666672], [2.500000e-01, 0.166666672, 2.500000e-01{{\]\]}}> : tensor<3x3xf32>
// CHECK: %y_2 = graph.binary mul %y, %y_1 : (tensor<1x4x3x3xf32>, tensor<3x3xf32>) -> tensor<1x4x3x3xf32>
// CHECK-NOT: graph.pool average
func.func @border(%x: tensor<1x4x3x3xf32>) -> tensor<1x4x3x3xf32> {
  %y = graph.pool average %x {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, overhang = array<i64: 0, 0>, count_include_pad = false} : (tensor<1x4x3x3xf32>) -> tensor<1x4x3x3xf32>
  func.return %y : tensor<1x4x3x3xf32>
}

// -----

// Maxima stay.

// CHECK-LABEL: @maximum
// CHECK: %y = graph.pool max %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, overhang = array<i64: 0, 0>, count_include_pad = false} : (tensor<1x4x4x4xf32>) -> tensor<1x4x2x2xf32>
// CHECK: func.return %y : tensor<1x4x2x2xf32>
func.func @maximum(%x: tensor<1x4x4x4xf32>) -> tensor<1x4x2x2xf32> {
  %y = graph.pool max %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, overhang = array<i64: 0, 0>, count_include_pad = false} : (tensor<1x4x4x4xf32>) -> tensor<1x4x2x2xf32>
  func.return %y : tensor<1x4x2x2xf32>
}
