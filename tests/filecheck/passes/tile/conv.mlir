// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s

// Channel blocks are the outer reduction loop. A 3x3 window times 16 channels does not fit l0a, so its rows are
// walked one at a time on the input that is loaded once; padding is what the load fills.

// CHECK-LABEL: @window
// CHECK: %c = visa.launch @conv_0(%x, %w) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<1x32x8x8xf32, #graph.blocked<axis = 1, block = 16>>, tensor<16x32x3x3xf32>) -> tensor<1x16x8x8xf32>
// CHECK: visa.forall (%o, %oh) in (2, 3) {
// CHECK: %m = arith.minsi %c3, %2 : index
// CHECK: scf.for %c = %c0 to %c2 step %c1 {
// CHECK: visa.load "{oh:5 in -3*%0+1..-3*%0+9, ow:10 in 1..9, ci:16} b0(160,16,1), b1[1024*%1+384*%0-144](128,16,1) !src(0)"
// CHECK: scf.for %kh = %c0 to %c3 step %c1 {
// CHECK: scf.for %kw = %c0 to %c3 step %c1 {
// CHECK: visa.mov "{oh:%0 max 3, ow:128} b0(128,1), b1[16*%2+160*%1](160,1) !src(0)"
// CHECK: visa.load "{ci:16, o:8} b0(8,1), b1[2304*%3+%2+3*%1+144*%0](9,288) !src(0)"
// CHECK: visa.mmad "{oh:m 8*%0 max 24, o:n 8, ci:k 16} b0(8,1,0), b1(16,0,1), b2(0,1,8), zero=%1 !src(0)"
// CHECK: visa.drain "{o:8, oh:8*%0 max 24} b0(24,1), b1(1,8) !src(0)"
// CHECK: visa.store "{o:8, oh:8*%0 max 24} b0[24*%2+512*%1](64,1), b1(24,1) !src(0)"
func.func @window(%x: tensor<1x32x8x8xf32, #graph.blocked<axis = 1, block = 16>>, %w: tensor<16x32x3x3xf32>) -> tensor<1x16x8x8xf32> {
  %c = graph.conv %x, %w {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x32x8x8xf32, #graph.blocked<axis = 1, block = 16>>, tensor<16x32x3x3xf32>) -> tensor<1x16x8x8xf32>
  func.return %c : tensor<1x16x8x8xf32>
}

// -----

// A 1x1 convolution needs no padding, and drain takes the bias and the ReLU along. All channels of the input fit, so it
// is loaded once for four panels of output channels; a row-major input keeps its positions next to each other.

// CHECK-LABEL: @point
// CHECK-NOT:  in 
// CHECK-NOT: visa.relu
// CHECK: %r = visa.launch @conv_0(%x, %w, %b) {sources = {{\[\[}}], [{{\]\]}}, taps = []{{.*}} : (tensor<1x16x4x4xf32>, tensor<16x16x1x1xf32>, tensor<16xf32>) -> tensor<1x16x4x4xf32>
// CHECK: visa.forall (%oh) in (2) {
// CHECK: visa.load "{c:16, oh:8} b0(8,1), b1[8*%0](16,1) !src(0)"
// CHECK: scf.for %p = %c0 to %c4 step %c1 {
// CHECK: visa.mov "{oh:8, c:16} b0(16,1), b1(1,8) !src(0)"
// CHECK: visa.load "{c:16, o:4} b0(4,1), b1[64*%0](1,16) !src(0)"
// CHECK: visa.mmad "{oh:m 8, o:n 4, c:k 16} b0(4,1,0), b1(16,0,1), b2(0,1,4) !src(0)"
// CHECK: visa.load "{o:4} b0(1), b1[4*%0](1) !src(0)"
// CHECK: visa.drain "{o:4, oh:8} b0(8,1), b1(1,4), bias=b2(1,0), act=relu !src(0, 1)"
// CHECK: visa.store "{o:4, oh:8} b0[64*%1+8*%0](16,1), b1(8,1) !src(1)"
// CHECK: visa.kind = "parallel"
// CHECK-NOT:  in 
// CHECK-NOT: visa.relu
func.func @point(%x: tensor<1x16x4x4xf32>, %w: tensor<16x16x1x1xf32>, %b: tensor<16xf32>) -> tensor<1x16x4x4xf32> {
  %c = graph.conv %x, %w, %b {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x16x4x4xf32>, tensor<16x16x1x1xf32>, tensor<16xf32>) -> tensor<1x16x4x4xf32>
  %r = graph.unary relu %c : (tensor<1x16x4x4xf32>) -> tensor<1x16x4x4xf32>
  func.return %r : tensor<1x16x4x4xf32>
}
