// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s

// The greatest element is subtracted first, so that no power overflows.

// CHECK-LABEL: @softmax
// CHECK-NOT: scf.for
// CHECK: %s = visa.launch @softmax_0(%a) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<9x40xf32>) -> tensor<9x40xf32>
// CHECK: visa.forall (%i0) in (3) {
// CHECK: visa.load "{i0:120} b0(1), b1[120*%0](1) !src(0)"
// CHECK: visa.reduce.max "{i0:3, i1:reduce 40} b0(1,0), b1(40,1) !src(0)"
// CHECK: visa.sub "{i0:3, i1:40} b0(40,1), b1(40,1), b2(1,0) !src(0)"
// CHECK: visa.exp "{i0:120} b0(1), b0(1) !src(0)"
// CHECK: visa.reduce.add "{i0:3, i1:reduce 40} b0(1,0), b1(40,1) !src(0)"
// CHECK: visa.div "{i0:3, i1:40} b0(40,1), b0(40,1), b1(1,0) !src(0)"
// CHECK: visa.store "{i0:120} b0[120*%0](1), b1(1) !src(0)"
// CHECK-NOT: scf.for
func.func @softmax(%a: tensor<9x40xf32>) -> tensor<9x40xf32> {
  %s = graph.softmax %a {axis = 1 : i64} : (tensor<9x40xf32>) -> tensor<9x40xf32>
  func.return %s : tensor<9x40xf32>
}

// -----

// Mean, then the variance of the differences.

// CHECK-LABEL: @norm
// CHECK-NOT: scf.for
// CHECK: %s = visa.launch @layer_norm_0(%a, %g, %b) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<9x40xf32>, tensor<40xf32>, tensor<40xf32>) -> tensor<9x40xf32>
// CHECK: visa.forall (%i0) in (3) {
// CHECK: visa.load "{i0:120} b0(1), b1[120*%0](1) !src(0)"
// CHECK: visa.reduce.add "{i0:3, i1:reduce 40} b0(1,0), b1(40,1) !src(0)"
// CHECK: visa.mul "{i0:3} b0(1), b0(1), 0.025 !src(0)"
// CHECK: visa.sub "{i0:3, i1:40} b0(40,1), b1(40,1), b2(1,0) !src(0)"
// CHECK: visa.mul "{i0:120} b0(1), b1(1), b1(1) !src(0)"
// CHECK: visa.reduce.add "{i0:3, i1:reduce 40} b0(1,0), b1(40,1) !src(0)"
// CHECK: visa.mul "{i0:3} b0(1), b0(1), 0.025 !src(0)"
// CHECK: visa.add "{i0:3} b0(1), b0(1), 9.999999747378752e-06 !src(0)"
// CHECK: visa.rsqrt "{i0:3} b0(1), b0(1) !src(0)"
// CHECK: visa.mul "{i0:3, i1:40} b0(40,1), b0(40,1), b1(1,0) !src(0)"
// CHECK: visa.load "{i1:40} b0(1), b1(1) !src(0)"
// CHECK: visa.mul "{i0:3, i1:40} b0(40,1), b0(40,1), b1(0,1) !src(0)"
// CHECK: visa.load "{i1:40} b0(1), b1(1) !src(0)"
// CHECK: visa.add "{i0:3, i1:40} b0(40,1), b0(40,1), b1(0,1) !src(0)"
// CHECK: visa.store "{i0:120} b0[120*%0](1), b1(1) !src(0)"
// CHECK-NOT: scf.for
func.func @norm(%a: tensor<9x40xf32>, %g: tensor<40xf32>, %b: tensor<40xf32>) -> tensor<9x40xf32> {
  %s = graph.layer_norm %a, %g, %b {axis = 1 : i64, epsilon = 1.0e-05 : f32} : (tensor<9x40xf32>, tensor<40xf32>, tensor<40xf32>) -> tensor<9x40xf32>
  func.return %s : tensor<9x40xf32>
}
