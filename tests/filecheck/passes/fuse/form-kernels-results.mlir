// RUN: vcc-opt %s -p 'form-kernels' --split-input-file | filecheck %s

// A value in between that is used elsewhere is a result of its own, if all that uses it comes later.

// CHECK-LABEL: @between
// CHECK: %y, %c = graph.kernel %x, %w {kind = "conv", remarks = ["fused 2 elementwise operations, which saves 4096 bytes of traffic; has 2 results
// CHECK: graph.yield %y_1, %c_1
// CHECK: func.return %y, %c
func.func @between(%x: tensor<1x16x4x4xf32>, %w: tensor<16x16x1x1xf32>) -> (tensor<1x16x4x4xf32>, tensor<1x16x4x4xf32>) {
  %c = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x16x4x4xf32>, tensor<16x16x1x1xf32>) -> tensor<1x16x4x4xf32>
  %s = graph.unary sigmoid %c : (tensor<1x16x4x4xf32>) -> tensor<1x16x4x4xf32>
  %y = graph.binary mul %s, %c : (tensor<1x16x4x4xf32>, tensor<1x16x4x4xf32>) -> tensor<1x16x4x4xf32>
  func.return %y, %c : tensor<1x16x4x4xf32>, tensor<1x16x4x4xf32>
}

// -----

// Here the product needs the exponential before the sum can be.

// CHECK-LABEL: @needed
// CHECK: %e = graph.kernel %x {kind = "elementwise", remarks = ["fused nothing; stopped: graph.matmul is not elementwise"]}
// CHECK: %y = graph.kernel %e, %w {kind = "matmul"
func.func @needed(%x: tensor<4x4xf32>, %w: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %e = graph.unary exp %x : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %m = graph.matmul %e, %w : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %y = graph.binary add %m, %e : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  func.return %y : tensor<4x4xf32>
}

// -----

// Two operations that read one tensor are one kernel, unless one needs the other.

// CHECK-LABEL: @siblings
// CHECK: %b, %a = graph.kernel %x {kind = "elementwise", remarks = ["joined with another kernel that reads the same tensor
func.func @siblings(%x: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %a = graph.unary exp %x : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %b = graph.unary tanh %x : (tensor<4x4xf32>) -> tensor<4x4xf32>
  func.return %a, %b : tensor<4x4xf32>, tensor<4x4xf32>
}

// -----

// What only a row operation reads is computed on its tiles.

// CHECK-LABEL: @rows
// CHECK: %r = graph.kernel %x, %z {kind = "reduce", remarks = ["fused 1 elementwise operation before it; fused nothing
// CHECK: graph.binary mul
// CHECK: graph.reduce
func.func @rows(%x: tensor<4x9xf32>, %z: tensor<4x9xf32>) -> tensor<4x1xf32> {
  %p = graph.binary mul %x, %z : (tensor<4x9xf32>, tensor<4x9xf32>) -> tensor<4x9xf32>
  %r = graph.reduce add %p {axes = array<i64: 1>, keepdims = true} : (tensor<4x9xf32>) -> tensor<4x1xf32>
  func.return %r : tensor<4x1xf32>
}

// -----

// A view that its reader's loads cannot do moves data by itself, and says who could not: here columns of a product
// that lie in two loops.

// CHECK-LABEL: @alone
// CHECK: graph.kernel {{.*}} {kind = "elementwise", remarks = ["graph.transpose moves data by itself: graph.matmul cannot read through it"]}
func.func @alone(%x: tensor<2x3x4xf32>, %w: tensor<6x5xf32>) -> tensor<4x5xf32> {
  %t = graph.transpose %x {perm = array<i64: 2, 1, 0>} : (tensor<2x3x4xf32>) -> tensor<4x3x2xf32>
  %r = graph.reshape %t : (tensor<4x3x2xf32>) -> tensor<4x6xf32>
  %m = graph.matmul %r, %w : (tensor<4x6xf32>, tensor<6x5xf32>) -> tensor<4x5xf32>
  func.return %m : tensor<4x5xf32>
}
