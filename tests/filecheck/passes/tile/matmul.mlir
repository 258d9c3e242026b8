// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s

// K = 100 is summed in steps with a tail; drain takes the residual.

// CHECK-LABEL: @steps
// CHECK-NOT: visa.add
// CHECK: %s = visa.launch @matmul_0(%a, %b, %r) {sources = {{\[\[}}], [{{\]\]}}, taps = []{{.*}} : (tensor<20x100xf32>, tensor<100x24xf32>, tensor<20x24xf32>) -> tensor<20x24xf32>
// CHECK: visa.forall (%n) in (3) {
// CHECK: scf.for %k = %c0 to %c7 step %c1 {
// CHECK: %m = arith.minsi %c16, %2 : index
// CHECK: visa.load "{m:20, k:%0 max 16} b0(16,1), b1[16*%1](100,1) !src(0)"
// CHECK: visa.load "{k:%0 max 16, n:8} b0(8,1), b1[8*%2+384*%1](24,1) !src(0)"
// CHECK: visa.mmad "{m:m 20, n:n 8, k:k %0 max 16} b0(8,1,0), b1(16,0,1), b2(0,1,8), zero=%1 !src(0)"
// CHECK: visa.load "{m:20, n:8} b0(8,1), b1[8*%0](24,1) !src(1)"
// CHECK: visa.drain "{m:160} b0(1), b1(1), bias=b2(1) !src(0, 1)"
// CHECK: visa.store "{m:20, n:8} b0[8*%0](24,1), b1(8,1) !src(1)"
// CHECK-NOT: visa.add
func.func @steps(%a: tensor<20x100xf32>, %b: tensor<100x24xf32>, %r: tensor<20x24xf32>) -> tensor<20x24xf32> {
  %c = graph.matmul %a, %b : (tensor<20x100xf32>, tensor<100x24xf32>) -> tensor<20x24xf32>
  %s = graph.binary add %c, %r : (tensor<20x24xf32>, tensor<20x24xf32>) -> tensor<20x24xf32>
  func.return %s : tensor<20x24xf32>
}

// -----

// A transposed operand is a load with other strides.

// CHECK-LABEL: @transposed
// CHECK-NOT: scf.for
// CHECK: %c = visa.launch @matmul_0(%a, %b) {sources = {{\[\[}}], [{{\]\]}}, taps = []{{.*}} : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x8xf32>
// CHECK: visa.forall (%m) in (2) {
// CHECK: visa.load "{m:16} b0(1), b1[16*%0](1) !src(1)"
// CHECK: visa.load "{k:4, n:8} b0(8,1), b1(1,4) !src(0, 1)"
// CHECK: visa.mmad "{m:m 4, n:n 8, k:k 4} b0(8,1,0), b1(4,0,1), b2(0,1,8) !src(1)"
// CHECK: visa.drain "{m:32} b0(1), b1(1) !src(1)"
// CHECK: visa.store "{m:32} b0[32*%0](1), b1(1) !src(1)"
// CHECK-NOT: scf.for
func.func @transposed(%a: tensor<8x4xf32>, %b: tensor<8x4xf32>) -> tensor<8x8xf32> {
  %t = graph.transpose %b {perm = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
  %c = graph.matmul %a, %t : (tensor<8x4xf32>, tensor<4x8xf32>) -> tensor<8x8xf32>
  func.return %c : tensor<8x8xf32>
}
