// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/filtering.toml"}' --split-input-file | filecheck %s

// A 3x3 convolution by minimal filtering, F(2x2, 3x3): the rows of the input's 4x4 blocks are transformed, then their
// columns; sixteen products are one mmad; the sums are transformed back, rows first, with the bias as the first term of the
// columns; then come the residual, whose place the result takes, and the ReLU.

// CHECK-LABEL: @filtered
// CHECK: weights.constant {{.*}} : tensor<4096xf32>
// CHECK: %y = visa.launch @conv_0({{.*}}) {{.*}}inplace = [array<i64: 0, 3>]{{.*}}3x3 convolution by Winograd's F(2x2, 3x3): 16 multiplications for 4 outputs, not 36, weights of 1.8 times the bytes; expected error 1.1e-07 of the result (2.0e-07 of a direct one)
// CHECK: visa.forall (%oh, %ow) in (2, 2) {
// CHECK: visa.load "{oh:6 in -4*%0+1..-4*%0+9, ow:6 in -4*%1+1..-4*%1+9, ci:16} b0(96,16,1), b1[64*%1+512*%0-144](128,16,1) !src(0)"
// CHECK: visa.sub "{r:2, x:96} b0(96,1), b1[192](192,1), b1(192,1) !src(0)" (%h, %x
// CHECK-NEXT: visa.add "{r:2, x:96} b0[192](96,1), b1[96](192,1), b1[192](192,1) !src(0)"
// CHECK-NEXT: visa.sub "{r:2, x:96} b0[384](96,1), b1[192](192,1), b1[96](192,1) !src(0)"
// CHECK-NEXT: visa.sub "{r:2, x:96} b0[576](96,1), b1[288](192,1), b1[96](192,1) !src(0)"
// CHECK-NEXT: visa.sub "{i:4, r:2, q:2, ci:16} b0(256,32,16,1), b1[32](192,96,32,1), b1(192,96,32,1) !src(0)" (%v, %h
// CHECK: visa.mov "{e:1024} b0(1), b1(1) !src(0)" (%a, %v
// CHECK: visa.load "{t:4096} b0(1), b1(1) !src(0)"
// CHECK: visa.mmad "{t:16, p:m 4, o:n 16, ci:k 16} b0(64,16,1,0), b1(64,16,0,1), b2(256,0,1,16) !src(0)"
// CHECK: visa.load "{oh:4, ow:64} b0(64,1), b1[64*%1+512*%0](128,1) !src(1)"
// CHECK: visa.drain "{e:1024} b0(1), b1(1) !src(0)"
// CHECK: visa.add "{j:256} b0(1), b1[256](1), b1[512](1) !src(0)"
// CHECK: visa.add "{j:4, r:2, e:32} b0(32,256,1), b1(64,32,1), b2(64,32,1) !src(0)"
// CHECK: visa.add "{oh:4, q:2, oi:16} b0(64,32,1), b1(0,0,1), b2(128,16,1) !src(0)" (%t3, %in2, %b
// CHECK: visa.add "{oh:256} b0(1), b0(1), b1(1) !src(1)"
// CHECK: visa.relu "{oh:256} b0(1), b0(1) !src(2)"
// CHECK: visa.store "{oh:4, ow:64} b0[64*%1+512*%0](128,1), b1(64,1) !src(2)"
func.func @filtered(%x: tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>, %b: tensor<16xf32>, %r: tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>) -> tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>> {
  %w = weights.constant dense<1.0> : tensor<16x16x3x3xf32>
  %c = graph.conv %x, %w, %b {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>, tensor<16x16x3x3xf32>, tensor<16xf32>) -> tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>
  %s = graph.binary add %c, %r : (tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>, tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>) -> tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>
  %y = graph.unary relu %s : (tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>) -> tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>
  func.return %y : tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>
}

// -----

// A convolution that steps over positions stays as it is, and so does one whose weights are computed.

// CHECK-LABEL: @direct
// CHECK-NOT: Winograd
// CHECK-COUNT-2: visa.kernel
// CHECK-NOT: visa.sub
func.func @direct(%x: tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>, %v: tensor<16x16x3x3xf32>) -> (tensor<1x16x4x4xf32, #graph.blocked<axis = 1, block = 16>>, tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>) {
  %w = weights.constant dense<1.0> : tensor<16x16x3x3xf32>
  %c = graph.conv %x, %w {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>, tensor<16x16x3x3xf32>) -> tensor<1x16x4x4xf32, #graph.blocked<axis = 1, block = 16>>
  %d = graph.conv %x, %v {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>, tensor<16x16x3x3xf32>) -> tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>
  func.return %c, %d : tensor<1x16x4x4xf32, #graph.blocked<axis = 1, block = 16>>, tensor<1x16x8x8xf32, #graph.blocked<axis = 1, block = 16>>
}
