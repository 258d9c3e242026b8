// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s
// One core copies the operand, in parts, and then stores the updates over it.

// CHECK-LABEL: @rows
// CHECK: %0 = visa.launch @scatter_0(%x, %i, %u) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<90x40xf32>, tensor<7xi64>, tensor<7x40xf32>) -> tensor<90x40xf32>
// CHECK: visa.forall (%part) in (1) {
// CHECK: scf.for %c = %c0 to %c8 step %c1 {
// CHECK: visa.load "{c:450} b0(1), b1[450*%0](1) !src(0)"
// CHECK: visa.store "{c:450} b0[450*%0](1), b1(1) !src(0)"
// CHECK: scf.for %i0 = %c0 to %c2 step %c1 {
// CHECK: visa.load "{i0:40*%0 max 160} b0(1), b1[160*%1](1) !src(0)"
// CHECK: visa.load "{i0:%0 max 4} b0(1), b1[4*%1](1) !src(0)"
// CHECK: visa.cmp.lt "{i0:%0 max 4} b0(1), b1(1), 0 !src(0)"
// CHECK: visa.add "{i0:%0 max 4} b0(1), b1(1), 90 !src(0)"
// CHECK: visa.select "{i0:%0 max 4} b0(1), b1(1), b2(1), b0(1) !src(0)"
// CHECK: visa.store.scatter "{i0:%0 max 4, i1:40} b0(0,1), b1(40,1), b2(1,0), limit=90, pitch=40 !src(0)"
func.func @rows(%x: tensor<90x40xf32>, %i: tensor<7xi64>, %u: tensor<7x40xf32>) -> tensor<90x40xf32> {
  %0 = graph.scatter %x, %i, %u {axis = 0 : i64} : (tensor<90x40xf32>, tensor<7xi64>, tensor<7x40xf32>) -> tensor<90x40xf32>
  func.return %0 : tensor<90x40xf32>
}

// -----

// Cores divide a large operand. A gather that does not move traps for indices that belong to no part.

// CHECK-LABEL: @divided
// CHECK: %0 = visa.launch @scatter_0(%x, %i, %u) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<600x90xf32>, tensor<7xi64>, tensor<7x90xf32>) -> tensor<600x90xf32>
// CHECK: visa.forall (%part) in (3) {
// CHECK: scf.for %c = %c0 to %c38 step %c1 {
// CHECK: visa.load "{c:%0 max 474} b0(1), b1[18000*%2+474*%1](1) !src(0)"
// CHECK: visa.store "{c:%0 max 474} b0[18000*%2+474*%1](1), b1(1) !src(0)"
// CHECK: scf.for %i0 = %c0 to %c4 step %c1 {
// CHECK: visa.load "{i0:90*%0 max 180} b0(1), b1[180*%1](1) !src(0)"
// CHECK: visa.load "{i0:%0 max 2} b0(1), b1[2*%1](1) !src(0)"
// CHECK: visa.cmp.lt "{i0:%0 max 2} b0(1), b1(1), 0 !src(0)"
// CHECK: visa.add "{i0:%0 max 2} b0(1), b1(1), 600 !src(0)"
// CHECK: visa.select "{i0:%0 max 2} b0(1), b1(1), b2(1), b0(1) !src(0)"
// CHECK: visa.gather "{i0:%0 max 2} b0(1), b1(1), b1(1), limit=600, pitch=0 !src(0)"
// CHECK: visa.sub "{i0:%0 max 2} b0(1), b1(1), scalar(200*%1) !src(0)"
// CHECK: visa.store.scatter "{i0:%0 max 2, i1:90} b0[18000*%1](0,1), b1(90,1), b2(1,0), mode=fill, limit=200, pitch=90 !src(0)"
func.func @divided(%x: tensor<600x90xf32>, %i: tensor<7xi64>, %u: tensor<7x90xf32>) -> tensor<600x90xf32> {
  %0 = graph.scatter %x, %i, %u {axis = 0 : i64} : (tensor<600x90xf32>, tensor<7xi64>, tensor<7x90xf32>) -> tensor<600x90xf32>
  func.return %0 : tensor<600x90xf32>
}

// -----

// Updates that are added.

// CHECK-LABEL: @add
// CHECK: %0 = visa.launch @scatter_0(%x, %i, %u) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<8xf32>, tensor<3xi64>, tensor<3xf32>) -> tensor<8xf32>
// CHECK: visa.forall (%part) in (1) {
// CHECK: visa.load "{c:8} b0(1), b1(1) !src(0)"
// CHECK: visa.store "{c:8} b0(1), b1(1) !src(0)"
// CHECK: visa.load "{i0:3} b0(1), b1(1) !src(0)"
// CHECK: visa.load "{i0:3} b0(1), b1(1) !src(0)"
// CHECK: visa.cmp.lt "{i0:3} b0(1), b1(1), 0 !src(0)"
// CHECK: visa.add "{i0:3} b0(1), b1(1), 8 !src(0)"
// CHECK: visa.select "{i0:3} b0(1), b1(1), b2(1), b0(1) !src(0)"
// CHECK: visa.store.scatter.add "{i0:3} b0(0), b1(1), b2(1), limit=8 !src(0)"
func.func @add(%x: tensor<8xf32>, %i: tensor<3xi64>, %u: tensor<3xf32>) -> tensor<8xf32> {
  %0 = graph.scatter %x, %i, %u {axis = 0 : i64, reduction = #graph<reduce_fn add>} : (tensor<8xf32>, tensor<3xi64>, tensor<3xf32>) -> tensor<8xf32>
  func.return %0 : tensor<8xf32>
}

// -----

// Single elements at constant indices.

// CHECK-LABEL: @elements
// CHECK: %0 = weights.constant dense<[1, 7, 0, 2, 0, 7]> : tensor<6xi64>
// CHECK: %1 = visa.launch @scatter_0(%x, %0, %u) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<3x8xf32>, tensor<6xi64>, tensor<3x2xf32>) -> tensor<3x8xf32>
// CHECK: visa.forall (%part) in (1) {
// CHECK: visa.load "{b:24} b0(1), b1(1) !src(0)"
// CHECK: visa.store "{b:24} b0(1), b1(1) !src(0)"
// CHECK: visa.load "{i0:6} b0(1), b1(1) !src(0)"
// CHECK: visa.load "{i0:6} b0(1), b1(1) !src(0)"
// CHECK: visa.store.scatter "{i0:3, i1:2} b0(8,0), b1(2,1), b2(2,1), limit=8 !src(0)"
func.func @elements(%x: tensor<3x8xf32>, %u: tensor<3x2xf32>) -> tensor<3x8xf32> {
  %i = weights.constant dense<[[1, -1], [0, 2], [-8, 7]]> : tensor<3x2xi64>
  %0 = graph.scatter_elements %x, %i, %u {axis = 1 : i64} : (tensor<3x8xf32>, tensor<3x2xi64>, tensor<3x2xf32>) -> tensor<3x8xf32>
  func.return %0 : tensor<3x8xf32>
}
