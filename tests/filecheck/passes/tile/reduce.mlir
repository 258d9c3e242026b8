// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s

// The row is summed up in parts; `zero` starts the sum with the first.

// CHECK-LABEL: @long
// CHECK: %s = visa.launch @reduce_0(%a) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<3x9000xf32>) -> tensor<3x1xf32>
// CHECK: visa.forall (%i0) in (3) {
// CHECK: scf.for %i1r = %c0 to %c15 step %c1 {
// CHECK: visa.load "{i1:600} b0(1), b1[600*%1+9000*%0](1) !src(0)"
// CHECK: visa.reduce.add "{i1:reduce 600} b0(0), b1(1), zero=%0 !src(0)"
// CHECK: visa.store "{i0:1} b0[%0](1), b1(1) !src(0)"
func.func @long(%a: tensor<3x9000xf32>) -> tensor<3x1xf32> {
  %s = graph.reduce add %a {axes = array<i64: 1>, keepdims = true} : (tensor<3x9000xf32>) -> tensor<3x1xf32>
  func.return %s : tensor<3x1xf32>
}

// -----

// Short rows need no loop; what follows runs on the results.

// CHECK-LABEL: @short
// CHECK-NOT: scf.for
// CHECK: %e = visa.launch @reduce_0(%a) {sources = {{\[\[}}], [{{\]\]}}, taps = []{{.*}} : (tensor<12x10xf32>) -> tensor<12x1xf32>
// CHECK: visa.forall (%i0) in (3) {
// CHECK: visa.load "{i0:40} b0(1), b1[40*%0](1) !src(0)"
// CHECK: visa.reduce.max "{i0:4, i1:reduce 10} b0(1,0), b1(10,1) !src(0)"
// CHECK: visa.exp "{i0:4} b0(1), b0(1) !src(1)"
// CHECK: visa.store "{i0:4} b0[4*%0](1), b1(1) !src(1)"
// CHECK-NOT: scf.for
func.func @short(%a: tensor<12x10xf32>) -> tensor<12x1xf32> {
  %s = graph.reduce max %a {axes = array<i64: 1>, keepdims = true} : (tensor<12x10xf32>) -> tensor<12x1xf32>
  %e = graph.unary exp %s : (tensor<12x1xf32>) -> tensor<12x1xf32>
  func.return %e : tensor<12x1xf32>
}

// -----

// Channels in blocks stay together, so that what is read is contiguous: no tile takes one channel of each pixel.

// CHECK-LABEL: @average
// CHECK: visa.forall (%i1o) in (2) {
// CHECK: visa.load "{i1i:8, i2:12} b0(12,1), b1[96*%1+288*%0](1,8) !src(0)"
// CHECK: visa.reduce.add "{i1i:8, i2:reduce 12} b0(1,0), b1(12,1), zero=%0 !src(0)"
// CHECK: visa.store "{i1i:8} b0[8*%0](1), b1(1) !src(0)"
func.func @average(%x: tensor<1x16x6x6xf32, #graph.blocked<axis = 1, block = 8>>) -> tensor<1x16x1x1xf32> {
  %y = graph.reduce add %x {axes = array<i64: 2, 3>, keepdims = true} : (tensor<1x16x6x6xf32, #graph.blocked<axis = 1, block = 8>>) -> tensor<1x16x1x1xf32>
  func.return %y : tensor<1x16x1x1xf32>
}
