// RUN: vcc-opt %s -p 'sink-reshapes' --split-input-file | filecheck %s

// The bias meets the product; axes that the reshape splits take the bias as it is stored.

// CHECK-LABEL: @bias
// CHECK: %s = weights.constant dense<{{\[\[}}0.000000e+00, 1.000000e+00, 2.000000e+00, 3.000000e+00]]> : tensor<1x4xf32>
// CHECK: %s_1 = graph.binary add %m, %s : (tensor<6x4xf32>, tensor<1x4xf32>) -> tensor<6x4xf32>
// CHECK: %s_2 = graph.reshape %s_1 : (tensor<6x4xf32>) -> tensor<2x3x2x2xf32>
func.func @bias(%x: tensor<6x8xf32>, %w: tensor<8x4xf32>) -> tensor<2x3x2x2xf32> {
  %b = weights.constant dense<[[0.0, 1.0], [2.0, 3.0]]> : tensor<2x2xf32>
  %m = graph.matmul %x, %w : (tensor<6x8xf32>, tensor<8x4xf32>) -> tensor<6x4xf32>
  %r = graph.reshape %m : (tensor<6x4xf32>) -> tensor<2x3x2x2xf32>
  %s = graph.binary add %r, %b : (tensor<2x3x2x2xf32>, tensor<2x2xf32>) -> tensor<2x3x2x2xf32>
  func.return %s : tensor<2x3x2x2xf32>
}

// -----

// An operand of the whole shape is reshaped, too, which costs nothing.

// CHECK-LABEL: @residual
// CHECK: %s = graph.reshape %y : (tensor<2x3x4xf32>) -> tensor<6x4xf32>
// CHECK: %s_1 = graph.binary add %m, %s : (tensor<6x4xf32>, tensor<6x4xf32>) -> tensor<6x4xf32>
// CHECK: %s_2 = graph.reshape %s_1 : (tensor<6x4xf32>) -> tensor<2x3x4xf32>
func.func @residual(%x: tensor<6x8xf32>, %w: tensor<8x4xf32>, %y: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  %m = graph.matmul %x, %w : (tensor<6x8xf32>, tensor<8x4xf32>) -> tensor<6x4xf32>
  %r = graph.reshape %m : (tensor<6x4xf32>) -> tensor<2x3x4xf32>
  %s = graph.binary add %r, %y : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  func.return %s : tensor<2x3x4xf32>
}

// -----

// A product that something else reads, too, gains nothing; nor does an operand that no reshape can express.

// CHECK-LABEL: @kept
// CHECK: graph.unary exp %r
// CHECK: graph.binary mul %q, %y
func.func @kept(%x: tensor<6x8xf32>, %w: tensor<8x4xf32>, %y: tensor<1x3x1xf32>) -> (tensor<6x4xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>) {
  %m = graph.matmul %x, %w : (tensor<6x8xf32>, tensor<8x4xf32>) -> tensor<6x4xf32>
  %r = graph.reshape %m : (tensor<6x4xf32>) -> tensor<2x3x4xf32>
  %e = graph.unary exp %r : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %n = graph.matmul %x, %w : (tensor<6x8xf32>, tensor<8x4xf32>) -> tensor<6x4xf32>
  %q = graph.reshape %n : (tensor<6x4xf32>) -> tensor<2x3x4xf32>
  %s = graph.binary mul %q, %y : (tensor<2x3x4xf32>, tensor<1x3x1xf32>) -> tensor<2x3x4xf32>
  func.return %m, %e, %s : tensor<6x4xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>
}

// -----

// Of two products that meet, each through a reshape of its own, one meets the sum.

// CHECK-LABEL: @both
// CHECK: %s = graph.reshape %n : (tensor<3x8xf32>) -> tensor<6x4xf32>
// CHECK: %s_1 = graph.binary add %m, %s : (tensor<6x4xf32>, tensor<6x4xf32>) -> tensor<6x4xf32>
// CHECK: %s_2 = graph.reshape %s_1 : (tensor<6x4xf32>) -> tensor<2x3x4xf32>
func.func @both(%x: tensor<6x8xf32>, %w: tensor<8x4xf32>, %v: tensor<8x8xf32>, %z: tensor<3x8xf32>) -> tensor<2x3x4xf32> {
  %m = graph.matmul %x, %w : (tensor<6x8xf32>, tensor<8x4xf32>) -> tensor<6x4xf32>
  %r = graph.reshape %m : (tensor<6x4xf32>) -> tensor<2x3x4xf32>
  %n = graph.matmul %z, %v : (tensor<3x8xf32>, tensor<8x8xf32>) -> tensor<3x8xf32>
  %q = graph.reshape %n : (tensor<3x8xf32>) -> tensor<2x3x4xf32>
  %s = graph.binary add %r, %q : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  func.return %s : tensor<2x3x4xf32>
}
