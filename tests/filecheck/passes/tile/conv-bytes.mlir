// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="host-avx512"}' --split-input-file | filecheck %s

// Four channels that are neighbours are so in the weights, too: K runs over fours of them.

// CHECK-LABEL: @blocked
// CHECK: visa.load "{c:2, oh:4 in {{.*}}, ow:4 in {{.*}}, ci:16} {{.*}}, fill=7.0
// CHECK: visa.mmad "{oh:m 4, o:n 16, c:k 72, q:k 4} b0(16,1,0,0), b1(288,0,4,1), b2(0,4,64,1)
func.func @blocked(%x: tensor<1x32x4x4xui8, #graph.blocked<axis = 1, block = 16>>) -> tensor<1x32x4x4xi32> {
  %w = weights.constant dense<1> : tensor<32x32x3x3xi8>
  %y = graph.conv %x, %w {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64, border = 7 : ui8} : (tensor<1x32x4x4xui8, #graph.blocked<axis = 1, block = 16>>, tensor<32x32x3x3xi8>) -> tensor<1x32x4x4xi32>
  func.return %y : tensor<1x32x4x4xi32>
}

// -----

// Channels that lie apart are brought together by the load, which an interval keeps a copy.

// CHECK-LABEL: @apart
// CHECK: visa.load "{ow:4, ci:12 in 0..12} b0(12,1), b1[4*%0](1,16)
// CHECK: visa.mmad "{ow:m 4, o:n 16, ci:k 3, q:k 4} b0(16,1,0,0), b1(12,0,4,1), b2(0,4,64,1)
func.func @apart(%x: tensor<1x12x4x4xui8>) -> tensor<1x32x4x4xi32> {
  %w = weights.constant dense<1> : tensor<32x12x1x1xi8>
  %y = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x12x4x4xui8>, tensor<32x12x1x1xi8>) -> tensor<1x32x4x4xi32>
  func.return %y : tensor<1x32x4x4xi32>
}

// -----

// Three channels: four neighbours of a row instead; the window of 7 has an eighth tap of zero.

// CHECK-LABEL: @rows
// CHECK: tensor<2688xi8>
// CHECK: visa.mmad "{oh:m 8, o:n 16, c:k 42, q:k 4} b0(16,1,0,0), b1(168,0,4,1), b2(0,4,64,1)
func.func @rows(%x: tensor<1x3x16x16xui8>) -> tensor<1x16x8x8xi32> {
  %w = weights.constant dense<1> : tensor<16x3x7x7xi8>
  %y = graph.conv %x, %w {pads = array<i64: 3, 3, 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x3x16x16xui8>, tensor<16x3x7x7xi8>) -> tensor<1x16x8x8xi32>
  func.return %y : tensor<1x16x8x8xi32>
}

// -----

// Weights that are no constant stay as they are.

// CHECK-LABEL: @input
// CHECK: visa.mmad "{oh:m 4, o:n 16, c:k 288} b0(16,1,0), b1(288,0,1), b2(0,1,16)
func.func @input(%x: tensor<1x32x4x4xui8, #graph.blocked<axis = 1, block = 16>>, %w: tensor<32x32x3x3xi8>) -> tensor<1x32x4x4xi32> {
  %y = graph.conv %x, %w {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x32x4x4xui8, #graph.blocked<axis = 1, block = 16>>, tensor<32x32x3x3xi8>) -> tensor<1x32x4x4xi32>
  func.return %y : tensor<1x32x4x4xi32>
}

// -----

// Thirty channels are 32 with two whose weights are zeros: less than a fourth tap for each of them would be.

// CHECK-LABEL: @thirty
// CHECK: tensor<9216xi8>
// CHECK: visa.load "{{.*}}ci:32 in 0..30} {{.*}}, fill=7.0
// CHECK: visa.mmad "{oh:m 4, o:n 16, kh:k 72, q:k 4}
func.func @thirty(%x: tensor<1x30x4x4xui8>) -> tensor<1x32x4x4xi32> {
  %w = weights.constant dense<1> : tensor<32x30x3x3xi8>
  %y = graph.conv %x, %w {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64, border = 7 : ui8} : (tensor<1x30x4x4xui8>, tensor<32x30x3x3xi8>) -> tensor<1x32x4x4xi32>
  func.return %y : tensor<1x32x4x4xi32>
}

// -----

// Groups have no room behind their channels.

// CHECK-LABEL: @groups
// CHECK: visa.mmad "{{.*}}c:k 6}
func.func @groups(%x: tensor<1x12x4x4xui8>) -> tensor<1x32x4x4xi32> {
  %w = weights.constant dense<1> : tensor<32x6x1x1xi8>
  %y = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 2 : i64} : (tensor<1x12x4x4xui8>, tensor<32x6x1x1xi8>) -> tensor<1x32x4x4xi32>
  func.return %y : tensor<1x32x4x4xi32>
}
