// RUN: vcc-opt %s -p 'choose-layouts' --split-input-file | filecheck %s

// A convolution's result, and what is computed of it, lies in blocks of 16 channels as long as all users take them.

// CHECK-LABEL: @chain
// CHECK: %c = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x3x4x4xf32>, tensor<32x3x1x1xf32>) -> tensor<1x32x4x4xf32, #graph.blocked<axis = 1, block = 16>>
// CHECK: %r = graph.unary relu %c : (tensor<1x32x4x4xf32, #graph.blocked<axis = 1, block = 16>>) -> tensor<1x32x4x4xf32, #graph.blocked<axis = 1, block = 16>>
// CHECK: %d = graph.conv %r, %v {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x32x4x4xf32, #graph.blocked<axis = 1, block = 16>>, tensor<32x32x1x1xf32>) -> tensor<1x32x4x4xf32>
// CHECK: func.return %d : tensor<1x32x4x4xf32>
func.func @chain(%x: tensor<1x3x4x4xf32>, %w: tensor<32x3x1x1xf32>, %v: tensor<32x32x1x1xf32>) -> tensor<1x32x4x4xf32> {
  %c = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x3x4x4xf32>, tensor<32x3x1x1xf32>) -> tensor<1x32x4x4xf32>
  %r = graph.unary relu %c : (tensor<1x32x4x4xf32>) -> tensor<1x32x4x4xf32>
  %d = graph.conv %r, %v {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x32x4x4xf32>, tensor<32x32x1x1xf32>) -> tensor<1x32x4x4xf32>
  func.return %d : tensor<1x32x4x4xf32>
}

// -----

// A reshape wants row-major elements; 17 channels have no blocks.

// CHECK-LABEL: @plain
// CHECK-NOT: blocked
// CHECK: func.return %f, %r : tensor<512xf32>, tensor<1x17x4x4xf32>
// CHECK-NOT: blocked
func.func @plain(%x: tensor<1x3x4x4xf32>, %w: tensor<32x3x1x1xf32>, %v: tensor<17x3x1x1xf32>) -> (tensor<512xf32>, tensor<1x17x4x4xf32>) {
  %c = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x3x4x4xf32>, tensor<32x3x1x1xf32>) -> tensor<1x32x4x4xf32>
  %f = graph.reshape %c : (tensor<1x32x4x4xf32>) -> tensor<512xf32>
  %d = graph.conv %x, %v {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x3x4x4xf32>, tensor<17x3x1x1xf32>) -> tensor<1x17x4x4xf32>
  %r = graph.unary relu %d : (tensor<1x17x4x4xf32>) -> tensor<1x17x4x4xf32>
  func.return %f, %r : tensor<512xf32>, tensor<1x17x4x4xf32>
}

// -----

// Operands that meet have one block size, though their product, which a slice reads, has none: 12 divides a group's channels.

// CHECK-LABEL: @meet
// CHECK: %g = graph.conv {{.*}} -> tensor<1x48x4x4xf32, #graph.blocked<axis = 1, block = 12>>
// CHECK: %s = graph.conv {{.*}} -> tensor<1x48x1x1xf32, #graph.blocked<axis = 1, block = 12>>
// CHECK: %m = graph.binary mul %g, %s : {{.*}} -> tensor<1x48x4x4xf32>
func.func @meet(%x: tensor<1x48x4x4xf32>, %y: tensor<1x3x1x1xf32>, %w: tensor<48x12x1x1xf32>, %v: tensor<48x3x1x1xf32>) -> tensor<1x24x4x4xf32> {
  %g = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 4 : i64} : (tensor<1x48x4x4xf32>, tensor<48x12x1x1xf32>) -> tensor<1x48x4x4xf32>
  %s = graph.conv %y, %v {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x3x1x1xf32>, tensor<48x3x1x1xf32>) -> tensor<1x48x1x1xf32>
  %m = graph.binary mul %g, %s : (tensor<1x48x4x4xf32>, tensor<1x48x1x1xf32>) -> tensor<1x48x4x4xf32>
  %c = graph.slice %m {starts = array<i64: 0, 0, 0, 0>, sizes = array<i64: 1, 24, 4, 4>, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x48x4x4xf32>) -> tensor<1x24x4x4xf32>
  func.return %c : tensor<1x24x4x4xf32>
}
