// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="host-avx512"}' --split-input-file | filecheck %s

// A step of 2 picks positions out of the rows of a row-major image, in whole vectors: rows of 112 are seven of 16, halves
// of them would be four that are not full.

// CHECK-LABEL: @strided
// CHECK: visa.mov "{oh:{{[0-9]+}}, ow:112, {{.*}}}
func.func @strided(%x: tensor<1x3x224x224xf32>) -> tensor<1x32x112x112xf32> {
  %w = weights.constant dense<1.0> : tensor<32x3x3x3xf32>
  %c = graph.conv %x, %w {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x3x224x224xf32>, tensor<32x3x3x3xf32>) -> tensor<1x32x112x112xf32>
  func.return %c : tensor<1x32x112x112xf32>
}

// -----

// Rows of a blocked output lie across vectors of channels, and are cut as suits the input.

// CHECK-LABEL: @blocked
// CHECK: visa.mov "{oh:{{[0-9]+}}, ow:56, {{.*}}}
func.func @blocked(%x: tensor<1x3x224x224xf32>) -> tensor<1x32x112x112xf32, #graph.blocked<axis = 1, block = 16>> {
  %w = weights.constant dense<1.0> : tensor<32x3x3x3xf32>
  %c = graph.conv %x, %w {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x3x224x224xf32>, tensor<32x3x3x3xf32>) -> tensor<1x32x112x112xf32, #graph.blocked<axis = 1, block = 16>>
  func.return %c : tensor<1x32x112x112xf32, #graph.blocked<axis = 1, block = 16>>
}
