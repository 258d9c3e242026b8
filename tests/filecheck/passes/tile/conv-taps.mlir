// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target=host-avx2}' --split-input-file | filecheck %s

// Of a window of dilation 6 on 8 x 8, the middle tap reaches all outputs, each other one 2 rows or columns of 8: a
// product starts the sums, and those of the other taps are added where they reach.

// CHECK-LABEL: @apart
// CHECK: visa.load "{kh:64, c:4, ci:16} b0(64,16,1), b1(16,1024,1) !src(0)"
// CHECK: visa.mmad "{kh:m 64, o:n 8, c:k 64} b0(8,1,0), b1(64,0,1), b2(0,1,8) !src(0)"
// CHECK: scf.for %kw = %c0 to %c2
// CHECK: visa.load "{kh:8, kw:2, c:4, ci:16} b0(128,64,16,1), b1[96*%0](128,16,1024,1) !src(0)"
// CHECK: visa.load "{k:512} b0(1), b1[4608*%1+1024*%0+1536](1) !src(0)"
// CHECK: visa.mmad "{kh:m 8, kw:m 2, o:n 8, c:k 64} b0[-48*%0+48](64,8,1,0), b1(128,64,0,1), b2(0,0,1,8), zero=0 !src(0)"
// CHECK: scf.for %kh = %c0 to %c2
// CHECK: visa.load "{kh:16, c:4, ci:16} b0(64,16,1), b1[768*%0](16,1024,1) !src(0)"
// CHECK: visa.mmad "{kh:m 16, o:n 8, c:k 64} b0[-384*%0+384](8,1,0), b1(64,0,1), b2(0,1,8), zero=0 !src(0)"
// CHECK: visa.mmad "{kh:m 2, kw:m 2, o:n 8, c:k 64} b0[-48*%1-384*%0+432](64,8,1,0), b1(128,64,0,1), b2(0,0,1,8), zero=0 !src(0)"
// CHECK: visa.drain "{o:8, oh:64} b0(64,1), b1(1,8) !src(0)"
// CHECK-NOT: visa.mmad
func.func @apart(%x: tensor<1x64x8x8xf32, #graph.blocked<axis = 1, block = 16>>) -> tensor<1x16x8x8xf32> {
  %w = weights.constant dense<1.0> : tensor<16x64x3x3xf32>
  %c = graph.conv %x, %w {pads = array<i64: 6, 6, 6, 6>, strides = array<i64: 1, 1>, dilations = array<i64: 6, 6>, group = 1 : i64} : (tensor<1x64x8x8xf32, #graph.blocked<axis = 1, block = 16>>, tensor<16x64x3x3xf32>) -> tensor<1x16x8x8xf32>
  func.return %c : tensor<1x16x8x8xf32>
}

// -----

// Row-major rows stay side by side in the sums.

// CHECK-LABEL: @rows
// CHECK: visa.mmad "{kh:m 256, o:n 8, c:k 64} b0(1,256,0), b1(64,0,1), b2(0,1,8) !src(0)"
// CHECK: visa.mmad "{kh:m 64, o:n 8, c:k 64} b0[-192*%0+192](1,256,0), b1(64,0,1), b2(0,1,8), zero=0 !src(0)"
// CHECK: visa.drain "{o:2048} b0(1), b1(1) !src(0)"
func.func @rows(%x: tensor<1x64x16x16xf32>) -> tensor<1x16x16x16xf32> {
  %w = weights.constant dense<1.0> : tensor<16x64x3x1xf32>
  %c = graph.conv %x, %w {pads = array<i64: 12, 0, 12, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 12, 1>, group = 1 : i64} : (tensor<1x64x16x16xf32>, tensor<16x64x3x1xf32>) -> tensor<1x16x16x16xf32>
  func.return %c : tensor<1x16x16x16xf32>
}

// -----

// Where most of a window is inside, the image is loaded with its border; so it is for a window that steps over
// positions, or whose weights are computed.

// CHECK-LABEL: @together
// CHECK-NOT: zero=0
// CHECK: visa.mov "{oh:8, ow:16, c:16, kh:3, kw:3} b0(2304,144,9,3,1), b1(20,1,240,40,2) !src(0)"
// CHECK-NOT: zero=0
func.func @together(%x: tensor<1x16x32x32xf32>) -> tensor<1x16x32x32xf32> {
  %w = weights.constant dense<1.0> : tensor<16x16x3x3xf32>
  %c = graph.conv %x, %w {pads = array<i64: 2, 2, 2, 2>, strides = array<i64: 1, 1>, dilations = array<i64: 2, 2>, group = 1 : i64} : (tensor<1x16x32x32xf32>, tensor<16x16x3x3xf32>) -> tensor<1x16x32x32xf32>
  func.return %c : tensor<1x16x32x32xf32>
}

// -----

// CHECK-LABEL: @steps
// CHECK-NOT: zero=0
func.func @steps(%x: tensor<1x64x8x8xf32>) -> tensor<1x16x4x4xf32> {
  %w = weights.constant dense<1.0> : tensor<16x64x3x3xf32>
  %c = graph.conv %x, %w {pads = array<i64: 6, 6, 6, 6>, strides = array<i64: 2, 2>, dilations = array<i64: 6, 6>, group = 1 : i64} : (tensor<1x64x8x8xf32>, tensor<16x64x3x3xf32>) -> tensor<1x16x4x4xf32>
  func.return %c : tensor<1x16x4x4xf32>
}

// -----

// CHECK-LABEL: @computed
// CHECK-NOT: zero=0
func.func @computed(%x: tensor<1x64x8x8xf32>, %w: tensor<16x64x3x3xf32>) -> tensor<1x16x8x8xf32> {
  %c = graph.conv %x, %w {pads = array<i64: 6, 6, 6, 6>, strides = array<i64: 1, 1>, dilations = array<i64: 6, 6>, group = 1 : i64} : (tensor<1x64x8x8xf32>, tensor<16x64x3x3xf32>) -> tensor<1x16x8x8xf32>
  func.return %c : tensor<1x16x8x8xf32>
}
