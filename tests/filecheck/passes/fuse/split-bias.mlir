// RUN: vcc-opt %s -p 'split-bias' --split-input-file | filecheck %s

// Depthwise: there is no accumulator whose drain could add the bias.

// CHECK-LABEL: @depthwise
// CHECK: %y = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 4 : i64} : (tensor<1x4x4x4xf32>, tensor<4x1x1x1xf32>) -> tensor<1x4x4x4xf32>
// CHECK: %y_1 = graph.reshape %b : (tensor<4xf32>) -> tensor<1x4x1x1xf32>
// CHECK: %y_2 = graph.binary add %y, %y_1 : (tensor<1x4x4x4xf32>, tensor<1x4x1x1xf32>) -> tensor<1x4x4x4xf32>
func.func @depthwise(%x: tensor<1x4x4x4xf32>, %w: tensor<4x1x1x1xf32>, %b: tensor<4xf32>) -> tensor<1x4x4x4xf32> {
  %y = graph.conv %x, %w, %b {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 4 : i64} : (tensor<1x4x4x4xf32>, tensor<4x1x1x1xf32>, tensor<4xf32>) -> tensor<1x4x4x4xf32>
  func.return %y : tensor<1x4x4x4xf32>
}

// -----

// f16: drain adds in the accumulator's f32.

// CHECK-LABEL: @half
// CHECK: %y = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x4x4x4xf16>, tensor<8x4x1x1xf16>) -> tensor<1x8x4x4xf16>
// CHECK: %y_1 = graph.reshape %b : (tensor<8xf16>) -> tensor<1x8x1x1xf16>
// CHECK: %y_2 = graph.binary add %y, %y_1 : (tensor<1x8x4x4xf16>, tensor<1x8x1x1xf16>) -> tensor<1x8x4x4xf16>
func.func @half(%x: tensor<1x4x4x4xf16>, %w: tensor<8x4x1x1xf16>, %b: tensor<8xf16>) -> tensor<1x8x4x4xf16> {
  %y = graph.conv %x, %w, %b {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x4x4x4xf16>, tensor<8x4x1x1xf16>, tensor<8xf16>) -> tensor<1x8x4x4xf16>
  func.return %y : tensor<1x8x4x4xf16>
}

// -----

// f32: the bias stays where it is.

// CHECK-LABEL: @single
// CHECK-NOT: graph.binary
// CHECK: %y = graph.conv %x, %w, %b {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x4x4x4xf32>, tensor<8x4x1x1xf32>, tensor<8xf32>) -> tensor<1x8x4x4xf32>
// CHECK-NOT: graph.binary
func.func @single(%x: tensor<1x4x4x4xf32>, %w: tensor<8x4x1x1xf32>, %b: tensor<8xf32>) -> tensor<1x8x4x4xf32> {
  %y = graph.conv %x, %w, %b {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x4x4x4xf32>, tensor<8x4x1x1xf32>, tensor<8xf32>) -> tensor<1x8x4x4xf32>
  func.return %y : tensor<1x8x4x4xf32>
}
