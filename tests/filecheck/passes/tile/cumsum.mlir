// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s
// One scan of whole rows; backwards along negative strides.

// CHECK-LABEL: @reverse
// CHECK: %0 = visa.launch @cumsum_0(%x) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<6x40xf32>) -> tensor<6x40xf32>
// CHECK: visa.forall (%i0) in (3) {
// CHECK: visa.load "{i0:2, i1:40} b0(40,1), b1[80*%0+39](40,-1) !src(0)"
// CHECK: visa.scan.add "{i0:2, i1:scan 40} b0(40,1), b1(40,1) !src(0)"
// CHECK: visa.store "{i0:2, i1:40} b0[80*%0+39](40,-1), b1(40,1) !src(0)"
func.func @reverse(%x: tensor<6x40xf32>) -> tensor<6x40xf32> {
  %0 = graph.cumsum %x {axis = 1 : i64, reverse = true} : (tensor<6x40xf32>) -> tensor<6x40xf32>
  func.return %0 : tensor<6x40xf32>
}

// -----

// Parts of long rows, with the sum so far carried on chip.

// CHECK-LABEL: @parts
// CHECK: %0 = visa.launch @cumsum_0(%x) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<2500xf32>) -> tensor<2500xf32>
// CHECK: visa.forall (%i) in (1) {
// CHECK: visa.copy "{i:1} b0(0), 0 !src(0)"
// CHECK: scf.for %r = %c0 to %c10 step %c1 {
// CHECK: visa.load "{i0:250} b0(1), b1[250*%0](1) !src(0)"
// CHECK: visa.scan.add "{i0:scan 250} b0(1), b1(1) !src(0)"
// CHECK: visa.add "{i0:250} b0(1), b0(1), b1(0) !src(0)"
// CHECK: visa.copy "{i:1} b0(0), b1[249](0) !src(0)"
// CHECK: visa.store "{i0:250} b0[250*%0](1), b1(1) !src(0)"
func.func @parts(%x: tensor<2500xf32>) -> tensor<2500xf32> {
  %0 = graph.cumsum %x {axis = 0 : i64, reverse = false} : (tensor<2500xf32>) -> tensor<2500xf32>
  func.return %0 : tensor<2500xf32>
}
