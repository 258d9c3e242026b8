// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s

// Each operand's rows go to their place in the result.

// CHECK-LABEL: @columns
// CHECK: %s = visa.launch @concat_0(%a, %b) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<6x5xf32>, tensor<6x3xf32>) -> tensor<6x8xf32>
// CHECK: visa.forall (%i0) in (3) {
// CHECK: visa.load "{i0:10} b0(1), b1[10*%0](1) !src(0)"
// CHECK: visa.store "{i0:2, i1:5} b0[16*%0](8,1), b1(5,1) !src(0)"
// CHECK: visa.load "{i0:6} b0(1), b1[6*%0](1) !src(0)"
// CHECK: visa.store "{i0:2, i1:3} b0[16*%0+5](8,1), b1(3,1) !src(0)"
func.func @columns(%a: tensor<6x5xf32>, %b: tensor<6x3xf32>) -> tensor<6x8xf32> {
  %s = graph.concat %a, %b {axis = 1 : i64} : (tensor<6x5xf32>, tensor<6x3xf32>) -> tensor<6x8xf32>
  func.return %s : tensor<6x8xf32>
}

// -----

// Rows longer than ub come in parts.

// CHECK-LABEL: @long
// CHECK: %s = visa.launch @concat_0(%a, %b) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<1x5000xf32>, tensor<1x3xf32>) -> tensor<1x5003xf32>
// CHECK: visa.forall (%i0) in (1) {
// CHECK: scf.for %i1c = %c0 to %c5 step %c1 {
// CHECK: visa.load "{i1:1000} b0(1), b1[1000*%1+5000*%0](1) !src(0)"
// CHECK: visa.store "{i1:1000} b0[1000*%1+5003*%0](1), b1(1) !src(0)"
// CHECK: visa.load "{i1:3} b0(1), b1[3*%0](1) !src(0)"
// CHECK: visa.store "{i1:3} b0[5003*%0+5000](1), b1(1) !src(0)"
func.func @long(%a: tensor<1x5000xf32>, %b: tensor<1x3xf32>) -> tensor<1x5003xf32> {
  %s = graph.concat %a, %b {axis = 1 : i64} : (tensor<1x5000xf32>, tensor<1x3xf32>) -> tensor<1x5003xf32>
  func.return %s : tensor<1x5003xf32>
}

// -----

// Pieces are read through views and computed on their way; a concatenation in another one gives it its pieces.

// CHECK-LABEL: @nested
// CHECK: %s = visa.launch @concat_0(%b, %a)
// CHECK-NOT: visa.launch
// CHECK: visa.load "{i0:6, i1:4 in 1..4} b0(4,1), b1[-1](3,1)
// CHECK: visa.store "{i0:6, i1:4} b0(7,1), b1(4,1)
// CHECK: visa.exp
// CHECK: visa.store "{i0:3, i1:3} b0[4](7,1), b1(3,1)
// CHECK: visa.store "{i0:3, i1:3} b0[25](7,1), b1(3,1)
func.func @nested(%a: tensor<6x3xf32>, %b: tensor<3x3xf32>) -> tensor<6x7xf32> {
  %p = graph.pad %a {low = array<i64: 0, 1>, high = array<i64: 0, 0>, value = 0.0 : f32} : (tensor<6x3xf32>) -> tensor<6x4xf32>
  %e = graph.unary exp %b : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %c = graph.concat %e, %b {axis = 0 : i64} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<6x3xf32>
  %s = graph.concat %p, %c {axis = 1 : i64} : (tensor<6x4xf32>, tensor<6x3xf32>) -> tensor<6x7xf32>
  func.return %s : tensor<6x7xf32>
}
