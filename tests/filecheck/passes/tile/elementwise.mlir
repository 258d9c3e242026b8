// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s

// One loop is cut, with a tail; the row that is broadcast is loaded once for all rows of a tile.

// CHECK-LABEL: @row
// CHECK: %e = visa.launch @elementwise_0(%a, %b) {sources = {{\[\[}}], [{{\]\]}}, taps = [], inplace = [array<i64: 0, 0>]{{.*}} : (tensor<37x100xf32>, tensor<100xf32>) -> tensor<37x100xf32>
// CHECK: visa.forall (%i0) in (13) {
// CHECK: %m = arith.minsi %c3, %2 : index
// CHECK: visa.load "{i0:100*%0 max 300} b0(1), b1[300*%1](1) !src(0)"
// CHECK: visa.load "{i1:100} b0(1), b1(1) !src(0)"
// CHECK: visa.add "{i0:%0 max 3, i1:100} b0(100,1), b0(100,1), b1(0,1) !src(0)"
// CHECK: visa.exp "{i0:100*%0 max 300} b0(1), b0(1) !src(1)"
// CHECK: visa.store "{i0:100*%0 max 300} b0[300*%1](1), b1(1) !src(1)"
func.func @row(%a: tensor<37x100xf32>, %b: tensor<100xf32>) -> tensor<37x100xf32> {
  %s = graph.binary add %a, %b : (tensor<37x100xf32>, tensor<100xf32>) -> tensor<37x100xf32>
  %e = graph.unary exp %s : (tensor<37x100xf32>) -> tensor<37x100xf32>
  func.return %e : tensor<37x100xf32>
}

// -----

// Data movement is a chain of no operations: a load through all views, and a store.

// CHECK-LABEL: @move
// CHECK-NOT: visa.exp
// CHECK: %p = visa.launch @elementwise_0(%a) {sources = {{\[\[}}], []], taps = []{{.*}} : (tensor<6x8xf32>) -> tensor<8x8xf32>
// CHECK: visa.forall (%i0) in (3) {
// CHECK: %m = arith.minsi %c3, %2 : index
// CHECK: visa.load "{i0:%0 max 3, i1:8 in 1..7} b0(8,1), b1[3*%1-8](1,8), fill=2.0 !src(1, 0)"
// CHECK: visa.store "{i0:8*%0 max 24} b0[24*%1](1), b1(1) !src(1, 0)"
// CHECK-NOT: visa.exp
func.func @move(%a: tensor<6x8xf32>) -> tensor<8x8xf32> {
  %t = graph.transpose %a {perm = array<i64: 1, 0>} : (tensor<6x8xf32>) -> tensor<8x6xf32>
  %p = graph.pad %t {low = array<i64: 0, 1>, high = array<i64: 0, 1>, value = 2.0 : f32} : (tensor<8x6xf32>) -> tensor<8x8xf32>
  func.return %p : tensor<8x8xf32>
}

// -----

// The second comparison's result comes where the first one's was, which is dead: one buffer of bools.

// CHECK-LABEL: @again
// CHECK: %t = visa.alloc : !visa.buffer<ub, [3, 10], bool, 1>
// CHECK-NEXT: visa.cmp.gt {{.*}} (%t, %in, %in2
// CHECK-NEXT: visa.select {{.*}} (%in, %t, %in2
// CHECK-NEXT: visa.cmp.lt {{.*}} (%t, %in, %in2
// CHECK-NEXT: visa.select {{.*}} (%in, %t, %in2
// CHECK-NEXT: visa.store
func.func @again(%a: tensor<9x10xf32>, %b: tensor<9x10xf32>) -> tensor<9x10xf32> {
  %p = graph.compare gt %a, %b : (tensor<9x10xf32>, tensor<9x10xf32>) -> tensor<9x10xi1>
  %s = graph.select %p, %a, %b : (tensor<9x10xi1>, tensor<9x10xf32>, tensor<9x10xf32>) -> tensor<9x10xf32>
  %q = graph.compare lt %s, %b : (tensor<9x10xf32>, tensor<9x10xf32>) -> tensor<9x10xi1>
  %r = graph.select %q, %s, %b : (tensor<9x10xi1>, tensor<9x10xf32>, tensor<9x10xf32>) -> tensor<9x10xf32>
  func.return %r : tensor<9x10xf32>
}
