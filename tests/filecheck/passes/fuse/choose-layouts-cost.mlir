// RUN: vcc-opt %s -p 'choose-layouts{target=host-avx512}' --split-input-file | filecheck %s

// Blocks divide the channels, so none is padded: 8 channels are one block, 24 are three; 1 and 3 stay row-major.

// CHECK-LABEL: @few_channels
// CHECK: %a = graph.conv %x, %wa {{.*}} -> tensor<1x8x16x16xf32, #graph.blocked<axis = 1, block = 8>>
// CHECK: %b = graph.conv %a, %wb {{.*}} -> tensor<1x24x16x16xf32, #graph.blocked<axis = 1, block = 8>>
// CHECK: %c = graph.conv %b, %wc {{.*}} -> tensor<1x3x16x16xf32>
// CHECK: %d = graph.conv %c, %wd {{.*}} -> tensor<1x1x16x16xf32>
// CHECK: %e = graph.unary relu %d : (tensor<1x1x16x16xf32>) -> tensor<1x1x16x16xf32>
func.func @few_channels(%x: tensor<1x3x16x16xf32>, %wa: tensor<8x3x1x1xf32>, %wb: tensor<24x8x1x1xf32>, %wc: tensor<3x24x1x1xf32>, %wd: tensor<1x3x1x1xf32>, %we: tensor<1x1x1x1xf32>) -> tensor<1x1x16x16xf32> {
  %a = graph.conv %x, %wa {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x3x16x16xf32>, tensor<8x3x1x1xf32>) -> tensor<1x8x16x16xf32>
  %b = graph.conv %a, %wb {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x8x16x16xf32>, tensor<24x8x1x1xf32>) -> tensor<1x24x16x16xf32>
  %c = graph.conv %b, %wc {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x24x16x16xf32>, tensor<3x24x1x1xf32>) -> tensor<1x3x16x16xf32>
  %d = graph.conv %c, %wd {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x3x16x16xf32>, tensor<1x3x1x1xf32>) -> tensor<1x1x16x16xf32>
  %e = graph.unary relu %d : (tensor<1x1x16x16xf32>) -> tensor<1x1x16x16xf32>
  %f = graph.conv %e, %we {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x1x16x16xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x16x16xf32>
  func.return %f : tensor<1x1x16x16xf32>
}

// -----

// Where rows are short, a block is all that lies in one piece: 12 of the 24 channels waste less of a burst than 8.

// CHECK-LABEL: @narrow
// CHECK: %a = graph.conv %x, %w {{.*}} -> tensor<1x24x64x1xf32, #graph.blocked<axis = 1, block = 12>>
// CHECK: %r = graph.unary relu %a : {{.*}} -> tensor<1x24x64x1xf32, #graph.blocked<axis = 1, block = 12>>
func.func @narrow(%x: tensor<1x3x64x1xf32>, %w: tensor<24x3x1x1xf32>, %v: tensor<24x24x1x1xf32>) -> tensor<1x24x64x1xf32> {
  %a = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x3x64x1xf32>, tensor<24x3x1x1xf32>) -> tensor<1x24x64x1xf32>
  %r = graph.unary relu %a : (tensor<1x24x64x1xf32>) -> tensor<1x24x64x1xf32>
  %b = graph.conv %r, %v {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x24x64x1xf32>, tensor<24x24x1x1xf32>) -> tensor<1x24x64x1xf32>
  func.return %b : tensor<1x24x64x1xf32>
}

// -----

// Bytes that a convolution multiplies lie in blocks of fours: 12 of 36 channels, and 18 in none.

// CHECK-LABEL: @bytes
// CHECK: %b = graph.cast %a {{.*}} -> tensor<1x36x16x16xui8, #graph.blocked<axis = 1, block = 12>>
// CHECK: %d = graph.cast %c {{.*}} -> tensor<1x18x16x16xui8>
func.func @bytes(%x: tensor<1x4x16x16xui8>, %wa: tensor<36x4x1x1xi8>, %wc: tensor<18x36x1x1xi8>, %we: tensor<4x18x1x1xi8>) -> tensor<1x4x16x16xi32> {
  %a = graph.conv %x, %wa {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x4x16x16xui8>, tensor<36x4x1x1xi8>) -> tensor<1x36x16x16xi32>
  %b = graph.cast %a : (tensor<1x36x16x16xi32>) -> tensor<1x36x16x16xui8>
  %c = graph.conv %b, %wc {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x36x16x16xui8>, tensor<18x36x1x1xi8>) -> tensor<1x18x16x16xi32>
  %d = graph.cast %c : (tensor<1x18x16x16xi32>) -> tensor<1x18x16x16xui8>
  %e = graph.conv %d, %we {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x18x16x16xui8>, tensor<4x18x1x1xi8>) -> tensor<1x4x16x16xi32>
  func.return %e : tensor<1x4x16x16xi32>
}
