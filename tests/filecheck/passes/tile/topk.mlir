// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s
// Rows that fit are sorted at once.

// CHECK-LABEL: @whole
// CHECK: %0 = visa.launch @topk_0(%x) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<6x40xf32>) -> tensor<6x5xi64>
// CHECK: visa.forall (%i0) in (3) {
// CHECK: visa.load "{i0:80} b0(1), b1[80*%0](1) !src(0)"
// CHECK: visa.order "{i0:2, s:scan 40} b0(40,1), b1(40,1), by=descending !src(0)"
// CHECK: visa.cast "{i0:2, k:5} b0(5,1), b1(40,1) !src(0)"
// CHECK: visa.store "{i0:10} b0[10*%0](1), b1(1) !src(0)"
func.func @whole(%x: tensor<6x40xf32>) -> tensor<6x5xi64> {
  %0 = graph.topk %x {axis = 1 : i64, k = 5 : i64, largest = true} : (tensor<6x40xf32>) -> tensor<6x5xi64>
  func.return %0 : tensor<6x5xi64>
}

// -----

// Longer rows: the five smallest so far stand before the next part, of which there are none in the first one.

// CHECK-LABEL: @parts
// CHECK: %0 = visa.launch @topk_0(%x) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<3000xf32>) -> tensor<5xi64>
// CHECK: visa.forall (%i) in (1) {
// CHECK: scf.for %r = %c0 to %c12 step %c1 {
// CHECK: visa.load "{i0:250} b0(1), b1[250*%0](1) !src(0)"
// CHECK: visa.copy "{i0:250} b0[-5*%0+5](1), b1(1) !src(0)"
// CHECK: visa.iota "{i0:scan 250} b0[-5*%0+5](1), start=250*%1 !src(0)"
// CHECK: visa.order "{s:scan -5*%0+255 max 255} b0(1), b1(1) !src(0)"
// CHECK: visa.gather "{k:5} b0(1), b1(0), b2(1), limit=255 !src(0)"
// CHECK: visa.copy "{k:5} b0(1), b1(1) !src(0)"
// CHECK: visa.gather "{k:5} b0(1), b1(0), b2(1), limit=255 !src(0)"
// CHECK: visa.copy "{k:5} b0(1), b1(1) !src(0)"
// CHECK: visa.cast "{k:5} b0(1), b1(1) !src(0)"
// CHECK: visa.store "{k:5} b0(1), b1(1) !src(0)"
func.func @parts(%x: tensor<3000xf32>) -> tensor<5xi64> {
  %0 = graph.topk %x {axis = 0 : i64, k = 5 : i64, largest = false} : (tensor<3000xf32>) -> tensor<5xi64>
  func.return %0 : tensor<5xi64>
}
