// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s
// The extreme, then the least position that equals it. The cast after it shares the tile.

// CHECK-LABEL: @first
// CHECK: %0 = visa.launch @arg_0(%x) {sources = {{\[\[}}], [{{\]\]}}, taps = []{{.*}} : (tensor<6x40xf32>) -> tensor<6xf32>
// CHECK: visa.forall (%i0) in (3) {
// CHECK: visa.load "{i0:80} b0(1), b1[80*%0](1) !src(0)"
// CHECK: visa.reduce.max "{i0:2, i1:reduce 40} b0(1,0), b1(40,1) !src(0)"
// CHECK: visa.cmp.eq "{i0:2, i1:40} b0(40,1), b1(40,1), b2(1,0) !src(0)"
// CHECK: visa.iota "{i1:scan 40} b0(1) !src(0)"
// CHECK: visa.select "{i0:2, i1:40} b0(40,1), b1(40,1), b2(0,1), 2147483647 !src(0)"
// CHECK: visa.reduce.min "{i0:2, i1:reduce 40} b0(1,0), b1(40,1) !src(0)"
// CHECK: visa.min "{i0:2} b0(1), b0(1), 39 !src(0)"
// CHECK: visa.cast "{i0:2} b0(1), b1(1) !src(0)"
// CHECK: visa.cast "{i0:2} b0(1), b1(1) !src(1)"
// CHECK: visa.store "{i0:2} b0[2*%0](1), b1(1) !src(1)"
func.func @first(%x: tensor<6x40xf32>) -> tensor<6xf32> {
  %0 = graph.arg max %x {axis = 1 : i64, keepdims = false, last = false} : (tensor<6x40xf32>) -> tensor<6xi64>
  %1 = graph.cast %0 : (tensor<6xi64>) -> tensor<6xf32>
  func.return %1 : tensor<6xf32>
}

// -----

// Long rows come in parts, from the end where the first position is wanted.

// CHECK-LABEL: @long
// CHECK: %0 = visa.launch @arg_0(%x) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<1x3000xf32>) -> tensor<1x1xi64>
// CHECK: visa.forall (%i0) in (1) {
// CHECK: scf.for %r = %c0 to %c9 step %c1 {
// CHECK: visa.load "{i1:%0 max 334} b0(1), b1[-334*%2+3000*%1+2672](1) !src(0)"
// CHECK: visa.reduce.min "{i1:reduce %0 max 334} b0(0), b1(1), zero=%1 !src(0)"
// CHECK: visa.cmp.eq "{i1:%0 max 334} b0(1), b1(1), b2(0) !src(0)"
// CHECK: visa.iota "{i1:scan %0 max 334} b0(1), start=-334*%1+2672 !src(0)"
// CHECK: visa.select "{i1:%0 max 334} b0(1), b1(1), b2(1), 2147483647 !src(0)"
// CHECK: visa.reduce.min "{i1:reduce %0 max 334} b0(0), b1(1), zero=%1 !src(0)"
// CHECK: visa.min "{i0:1} b0(1), b0(1), 2999 !src(0)"
// CHECK: visa.cast "{i0:1} b0(1), b1(1) !src(0)"
// CHECK: visa.store "{i0:1} b0[%0](1), b1(1) !src(0)"
func.func @long(%x: tensor<1x3000xf32>) -> tensor<1x1xi64> {
  %0 = graph.arg min %x {axis = 1 : i64, keepdims = true, last = false} : (tensor<1x3000xf32>) -> tensor<1x1xi64>
  func.return %0 : tensor<1x1xi64>
}

// -----

// From the beginning where the last one is wanted.

// CHECK-LABEL: @last
// CHECK: %0 = visa.launch @arg_0(%x) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<1x3000xf32>) -> tensor<1x1xi64>
// CHECK: visa.forall (%i0) in (1) {
// CHECK: scf.for %r = %c0 to %c9 step %c1 {
// CHECK: visa.load "{i1:%0 max 334} b0(1), b1[334*%2+3000*%1](1) !src(0)"
// CHECK: visa.reduce.max "{i1:reduce %0 max 334} b0(0), b1(1), zero=%1 !src(0)"
// CHECK: visa.cmp.eq "{i1:%0 max 334} b0(1), b1(1), b2(0) !src(0)"
// CHECK: visa.iota "{i1:scan %0 max 334} b0(1), start=334*%1 !src(0)"
// CHECK: visa.select "{i1:%0 max 334} b0(1), b1(1), b2(1), -1 !src(0)"
// CHECK: visa.reduce.max "{i1:reduce %0 max 334} b0(0), b1(1), zero=%1 !src(0)"
// CHECK: visa.max "{i0:1} b0(1), b0(1), 0 !src(0)"
// CHECK: visa.cast "{i0:1} b0(1), b1(1) !src(0)"
// CHECK: visa.store "{i0:1} b0[%0](1), b1(1) !src(0)"
func.func @last(%x: tensor<1x3000xf32>) -> tensor<1x1xi64> {
  %0 = graph.arg max %x {axis = 1 : i64, keepdims = true, last = true} : (tensor<1x3000xf32>) -> tensor<1x1xi64>
  func.return %0 : tensor<1x1xi64>
}
