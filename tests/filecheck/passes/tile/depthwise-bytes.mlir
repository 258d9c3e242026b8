// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="host-avx512"}' --split-input-file | filecheck %s

// Channels are side by side in the product; its K is the window, a row of 3 with a fourth tap of zero. All four of a
// channel lie together in the weights.

// CHECK-LABEL: @blocked
// CHECK: tensor<384xi8>
// CHECK: visa.mmad "{{{.*}}ci:16, kh:k 3, q:k 4} {{.*}}, b2({{.*}}4,64,1)
func.func @blocked(%x: tensor<1x32x6x6xui8, #graph.blocked<axis = 1, block = 16>>) -> tensor<1x32x6x6xi32, #graph.blocked<axis = 1, block = 16>> {
  %w = weights.constant dense<1> : tensor<32x1x3x3xi8>
  %y = graph.conv %x, %w {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 32 : i64} : (tensor<1x32x6x6xui8, #graph.blocked<axis = 1, block = 16>>, tensor<32x1x3x3xi8>) -> tensor<1x32x6x6xi32, #graph.blocked<axis = 1, block = 16>>
  func.return %y : tensor<1x32x6x6xi32, #graph.blocked<axis = 1, block = 16>>
}

// -----

// Of floats it is a multiply-accumulate of vectors.

// CHECK-LABEL: @floats
// CHECK: visa.mac
func.func @floats(%x: tensor<1x32x6x6xf32, #graph.blocked<axis = 1, block = 16>>) -> tensor<1x32x6x6xf32, #graph.blocked<axis = 1, block = 16>> {
  %w = weights.constant dense<1.0> : tensor<32x1x3x3xf32>
  %y = graph.conv %x, %w {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 32 : i64} : (tensor<1x32x6x6xf32, #graph.blocked<axis = 1, block = 16>>, tensor<32x1x3x3xf32>) -> tensor<1x32x6x6xf32, #graph.blocked<axis = 1, block = 16>>
  func.return %y : tensor<1x32x6x6xf32, #graph.blocked<axis = 1, block = 16>>
}
