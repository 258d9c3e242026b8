// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s
// Negative indices are moved behind the axis; the addition after the gather shares its tile.

// CHECK-LABEL: @embedding
// CHECK: %0 = visa.launch @gather_0(%table, %i, %bias) {sources = {{\[\[}}], [{{\]\]}}, taps = []{{.*}} : (tensor<300x64xf32>, tensor<11xi64>, tensor<64xf32>) -> tensor<11x64xf32>
// CHECK: visa.forall (%i0) in (6) {
// CHECK: visa.load "{i0:%0 max 2} b0(1), b1[2*%1](1) !src(0)"
// CHECK: visa.cmp.lt "{i0:%0 max 2} b0(1), b1(1), 0 !src(0)"
// CHECK: visa.add "{i0:%0 max 2} b0(1), b1(1), 300 !src(0)"
// CHECK: visa.select "{i0:%0 max 2} b0(1), b1(1), b2(1), b0(1) !src(0)"
// CHECK: visa.load.gather "{i0:%0 max 2, i1:64} b0(64,1), b1(0,1), b2(1,0), limit=300, pitch=64 !src(0)"
// CHECK: visa.load "{i1:64} b0(1), b1(1) !src(1)"
// CHECK: visa.add "{i0:%0 max 2, i1:64} b0(64,1), b0(64,1), b1(0,1) !src(1)"
// CHECK: visa.store "{i0:64*%0 max 128} b0[128*%1](1), b1(1) !src(1)"
func.func @embedding(%table: tensor<300x64xf32>, %i: tensor<11xi64>, %bias: tensor<64xf32>) -> tensor<11x64xf32> {
  %0 = graph.gather %table, %i {axis = 0 : i64} : (tensor<300x64xf32>, tensor<11xi64>) -> tensor<11x64xf32>
  %1 = graph.binary add %0, %bias : (tensor<11x64xf32>, tensor<64xf32>) -> tensor<11x64xf32>
  func.return %1 : tensor<11x64xf32>
}

// -----

// Constant indices are made positive when the kernel is made. The pitch is 1 along the last axis.

// CHECK-LABEL: @constant
// CHECK: %0 = weights.constant dense<[3, 39, 0]> : tensor<3xi32>
// CHECK: %1 = visa.launch @gather_0(%x, %0) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<6x40xf32>, tensor<3xi32>) -> tensor<6x3xf32>
// CHECK: visa.forall (%i0) in (3) {
// CHECK: visa.load "{i1:3} b0(1), b1(1) !src(0)"
// CHECK: visa.load.gather "{i0:2, i1:3} b0(3,1), b1[80*%0](40,0), b2(0,1), limit=40 !src(0)"
// CHECK: visa.store "{i0:6} b0[6*%0](1), b1(1) !src(0)"
func.func @constant(%x: tensor<6x40xf32>) -> tensor<6x3xf32> {
  %i = weights.constant dense<[3, -1, 0]> : tensor<3xi32>
  %0 = graph.gather %x, %i {axis = 1 : i64} : (tensor<6x40xf32>, tensor<3xi32>) -> tensor<6x3xf32>
  func.return %0 : tensor<6x3xf32>
}

// -----

// Single elements: the address does not move along the indexed axis but by the index.

// CHECK-LABEL: @elements
// CHECK: %0 = visa.launch @gather_0(%x, %i) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<70x6xf32>, tensor<8x6xi32>) -> tensor<8x6xf32>
// CHECK: visa.forall (%i0) in (3) {
// CHECK: visa.load "{i0:6*%0 max 18} b0(1), b1[18*%1](1) !src(0)"
// CHECK: visa.cmp.lt "{i0:6*%0 max 18} b0(1), b1(1), 0 !src(0)"
// CHECK: visa.add "{i0:6*%0 max 18} b0(1), b1(1), 70 !src(0)"
// CHECK: visa.select "{i0:6*%0 max 18} b0(1), b1(1), b2(1), b0(1) !src(0)"
// CHECK: visa.load.gather "{i0:%0 max 3, i1:6} b0(6,1), b1(0,1), b2(6,1), limit=70, pitch=6 !src(0)"
// CHECK: visa.store "{i0:6*%0 max 18} b0[18*%1](1), b1(1) !src(0)"
func.func @elements(%x: tensor<70x6xf32>, %i: tensor<8x6xi32>) -> tensor<8x6xf32> {
  %0 = graph.gather_elements %x, %i {axis = 0 : i64} : (tensor<70x6xf32>, tensor<8x6xi32>) -> tensor<8x6xf32>
  func.return %0 : tensor<8x6xf32>
}

// -----

// A transpose before a gather becomes part of its addresses.

// CHECK-LABEL: @transposed
// CHECK: %0 = visa.launch @gather_0(%x, %i) {sources = {{\[\[}}], [{{\]\]}}, taps = []{{.*}} : (tensor<5x70xf32>, tensor<8xi32>) -> tensor<8x5xf32>
// CHECK: visa.forall (%i0) in (3) {
// CHECK: visa.load "{i0:%0 max 3} b0(1), b1[3*%1](1) !src(0, 1)"
// CHECK: visa.cmp.lt "{i0:%0 max 3} b0(1), b1(1), 0 !src(0, 1)"
// CHECK: visa.add "{i0:%0 max 3} b0(1), b1(1), 70 !src(0, 1)"
// CHECK: visa.select "{i0:%0 max 3} b0(1), b1(1), b2(1), b0(1) !src(0, 1)"
// CHECK: visa.load.gather "{i0:%0 max 3, i1:5} b0(5,1), b1(0,70), b2(1,0), limit=70 !src(0, 1)"
// CHECK: visa.store "{i0:5*%0 max 15} b0[15*%1](1), b1(1) !src(1, 0)"
func.func @transposed(%x: tensor<5x70xf32>, %i: tensor<8xi32>) -> tensor<8x5xf32> {
  %t = graph.transpose %x {perm = array<i64: 1, 0>} : (tensor<5x70xf32>) -> tensor<70x5xf32>
  %0 = graph.gather %t, %i {axis = 0 : i64} : (tensor<70x5xf32>, tensor<8xi32>) -> tensor<8x5xf32>
  func.return %0 : tensor<8x5xf32>
}
