// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s

// Each operand's rows go to their place in the result.

// CHECK-LABEL: @columns
// CHECK: %s = visa.launch @concat_0(%a, %b) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<6x5xf32>, tensor<6x3xf32>) -> tensor<6x8xf32>
// CHECK: visa.forall (%r) in (3) {
// CHECK: visa.load "{r:10} b0(1), b1[10*%0](1) !src(0)"
// CHECK: visa.store "{r:2, c:5} b0[16*%0](8,1), b1(5,1) !src(0)"
// CHECK: visa.load "{r:6} b0(1), b1[6*%0](1) !src(0)"
// CHECK: visa.store "{r:2, c:3} b0[16*%0+5](8,1), b1(3,1) !src(0)"
func.func @columns(%a: tensor<6x5xf32>, %b: tensor<6x3xf32>) -> tensor<6x8xf32> {
  %s = graph.concat %a, %b {axis = 1 : i64} : (tensor<6x5xf32>, tensor<6x3xf32>) -> tensor<6x8xf32>
  func.return %s : tensor<6x8xf32>
}

// -----

// Rows longer than ub come in parts.

// CHECK-LABEL: @long
// CHECK: %s = visa.launch @concat_0(%a, %b) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<1x5000xf32>, tensor<1x3xf32>) -> tensor<1x5003xf32>
// CHECK: visa.forall (%r) in (1) {
// CHECK: scf.for %c = %c0 to %c9 step %c1 {
// CHECK: %m = arith.minsi %c556, %2 : index
// CHECK: visa.load "{c:%0 max 556} b0(1), b1[5000*%2+556*%1](1) !src(0)"
// CHECK: visa.store "{c:%0 max 556} b0[5003*%2+556*%1](1), b1(1) !src(0)"
// CHECK: visa.load "{c:3} b0(1), b1[3*%0](1) !src(0)"
// CHECK: visa.store "{c:3} b0[5003*%0+5000](1), b1(1) !src(0)"
func.func @long(%a: tensor<1x5000xf32>, %b: tensor<1x3xf32>) -> tensor<1x5003xf32> {
  %s = graph.concat %a, %b {axis = 1 : i64} : (tensor<1x5000xf32>, tensor<1x3xf32>) -> tensor<1x5003xf32>
  func.return %s : tensor<1x5003xf32>
}
