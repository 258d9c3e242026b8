// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s

// A pool is one reduction over an overlapping view; the padding of maxima is minus infinity.

// CHECK-LABEL: @pool
// CHECK-NOT: visa.mmad
// CHECK: %c = visa.launch @pool_0(%x) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<1x16x9x9xf32, #graph.blocked<axis = 1, block = 16>>) -> tensor<1x16x5x5xf32, #graph.blocked<axis = 1, block = 16>>
// CHECK: %y = visa.launch @elementwise_0(%c) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<1x16x5x5xf32, #graph.blocked<axis = 1, block = 16>>) -> tensor<1x16x5x5xf32>
// CHECK: visa.forall (%oh, %ow) in (5, 3) {
// CHECK: %m = arith.minsi %c2, %2 : index
// CHECK: visa.load "{oh:3 in -2*%0+1..-2*%0+10, ow:5 in -4*%1+1..-4*%1+10, ci:16} b0(80,16,1), b1[64*%1+288*%0-160](144,16,1), fill=-inf !src(0)"
// CHECK: visa.reduce.max "{ow:%0 max 2, ci:16, kh:reduce 3, kw:reduce 3} b0(16,1,0,0), b1(32,1,80,16) !src(0)"
// CHECK: visa.store "{ow:16*%0 max 32} b0[32*%2+80*%1](1), b1(1) !src(0)"
// The blocks are read whole, as they lie, not channel by channel as the result does.
// CHECK: visa.forall (%i2) in (5) {
// CHECK: visa.load "{i1i:16, i3:5} b0(5,1), b1[80*%0](1,16) !src(0)"
// CHECK: visa.store "{i1i:16, i3:5} b0[5*%0](25,1), b1(5,1) !src(0)"
// CHECK-NOT: visa.mmad
func.func @pool(%x: tensor<1x16x9x9xf32, #graph.blocked<axis = 1, block = 16>>) -> tensor<1x16x5x5xf32> {
  %c = graph.pool max %x {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, overhang = array<i64: 0, 0>, count_include_pad = false} : (tensor<1x16x9x9xf32, #graph.blocked<axis = 1, block = 16>>) -> tensor<1x16x5x5xf32, #graph.blocked<axis = 1, block = 16>>
  %y = graph.relayout %c : (tensor<1x16x5x5xf32, #graph.blocked<axis = 1, block = 16>>) -> tensor<1x16x5x5xf32>
  func.return %y : tensor<1x16x5x5xf32>
}

// -----

// Depthwise: each channel is multiplied by weights of its own.

// CHECK-LABEL: @depthwise
// CHECK-NOT: visa.mmad
// CHECK: %c = visa.launch @depthwise_0(%x, %w) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<1x16x6x6xf32>, tensor<16x1x3x3xf32>) -> tensor<1x16x6x6xf32>
// CHECK: visa.forall (%c) in (16) {
// CHECK: visa.load "{oh:8 in 1..7, ow:8 in 1..7} b0(8,1), b1[36*%0-7](6,1) !src(0)"
// CHECK: visa.load "{k:9} b0(1), b1[9*%0](1) !src(0)"
// CHECK: visa.mac "{oh:6, ow:6, kh:reduce 3, kw:reduce 3} b0(6,1,0,0), b1(8,1,8,1), b2(0,0,3,1) !src(0)"
// CHECK: visa.store "{oh:36} b0[36*%0](1), b1(1) !src(0)"
// CHECK-NOT: visa.mmad
func.func @depthwise(%x: tensor<1x16x6x6xf32>, %w: tensor<16x1x3x3xf32>) -> tensor<1x16x6x6xf32> {
  %c = graph.conv %x, %w {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 16 : i64} : (tensor<1x16x6x6xf32>, tensor<16x1x3x3xf32>) -> tensor<1x16x6x6xf32>
  func.return %c : tensor<1x16x6x6xf32>
}
