// RUN: vcc-opt %s -p 'split-concats' --split-input-file | filecheck %s

// Each piece gets the operation, with its part of the other operand.

// CHECK-LABEL: @pieces
// CHECK: %[[K:.*]] = weights.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
// CHECK: %[[A:.*]] = graph.binary mul %a, %[[K]] : (tensor<4x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
// CHECK: %[[L:.*]] = weights.constant dense<3.000000e+00> : tensor<1xf32>
// CHECK: %[[B:.*]] = graph.binary mul %b, %[[L]] : (tensor<4x1xf32>, tensor<1xf32>) -> tensor<4x1xf32>
// CHECK: graph.concat %[[A]], %[[B]] {axis = 1 : i64}
func.func @pieces(%a: tensor<4x2xf32>, %b: tensor<4x1xf32>) -> tensor<4x3xf32> {
  %k = weights.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %c = graph.concat %a, %b {axis = 1 : i64} : (tensor<4x2xf32>, tensor<4x1xf32>) -> tensor<4x3xf32>
  %m = graph.binary mul %c, %k : (tensor<4x3xf32>, tensor<3xf32>) -> tensor<4x3xf32>
  func.return %m : tensor<4x3xf32>
}

// -----

// What is not constant is sliced, which loads read through; a number per row stays whole.

// CHECK-LABEL: @slices
// CHECK: %[[S:.*]] = graph.slice %x {starts = array<i64: 0, 0>, sizes = array<i64: 4, 2>, steps = array<i64: 1, 1>}
// CHECK: %[[A:.*]] = graph.binary add %a, %[[S]]
// CHECK: %[[T:.*]] = graph.slice %x {starts = array<i64: 0, 2>, sizes = array<i64: 4, 1>, steps = array<i64: 1, 1>}
// CHECK: %[[B:.*]] = graph.binary add %b, %[[T]]
// CHECK: %[[C:.*]] = graph.binary mul %[[A]], %r : (tensor<4x2xf32>, tensor<4x1xf32>) -> tensor<4x2xf32>
// CHECK: %[[D:.*]] = graph.binary mul %[[B]], %r : (tensor<4x1xf32>, tensor<4x1xf32>) -> tensor<4x1xf32>
// CHECK: graph.concat %[[C]], %[[D]] {axis = 1 : i64}
func.func @slices(%a: tensor<4x2xf32>, %b: tensor<4x1xf32>, %x: tensor<4x3xf32>, %r: tensor<4x1xf32>) -> tensor<4x3xf32> {
  %c = graph.concat %a, %b {axis = 1 : i64} : (tensor<4x2xf32>, tensor<4x1xf32>) -> tensor<4x3xf32>
  %s = graph.binary add %c, %x : (tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<4x3xf32>
  %m = graph.binary mul %s, %r : (tensor<4x3xf32>, tensor<4x1xf32>) -> tensor<4x3xf32>
  func.return %m : tensor<4x3xf32>
}

// -----

// The maximum of a stack is that of what is stacked.

// CHECK-LABEL: @stack
// CHECK: %[[M:.*]] = graph.binary max %a, %b : (tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<4x3xf32>
// CHECK: func.return %[[M]]
func.func @stack(%a: tensor<4x3xf32>, %b: tensor<4x3xf32>) -> tensor<4x3xf32> {
  %p = graph.reshape %a : (tensor<4x3xf32>) -> tensor<4x3x1xf32>
  %q = graph.reshape %b : (tensor<4x3xf32>) -> tensor<4x3x1xf32>
  %c = graph.concat %p, %q {axis = 2 : i64} : (tensor<4x3x1xf32>, tensor<4x3x1xf32>) -> tensor<4x3x2xf32>
  %m = graph.reduce max %c {axes = array<i64: 2>, keepdims = false} : (tensor<4x3x2xf32>) -> tensor<4x3xf32>
  func.return %m : tensor<4x3xf32>
}

// -----

// Left alone: a concatenation that something else reads, one that broadcasts, and a sum that a product takes along.

// CHECK-LABEL: @others
// CHECK: %c = graph.concat %a, %b {axis = 1 : i64}
// CHECK: graph.unary exp %c
// CHECK: %d = graph.concat %a, %a {axis = 1 : i64}
// CHECK: graph.binary add %d, %y
// CHECK: %e = graph.concat %b, %a {axis = 1 : i64}
// CHECK: graph.binary add %p, %e
func.func @others(%a: tensor<1x2xf32>, %b: tensor<1x1xf32>, %y: tensor<5x4xf32>, %w: tensor<2x3xf32>) -> (tensor<1x3xf32>, tensor<1x3xf32>, tensor<5x4xf32>, tensor<1x3xf32>) {
  %c = graph.concat %a, %b {axis = 1 : i64} : (tensor<1x2xf32>, tensor<1x1xf32>) -> tensor<1x3xf32>
  %x = graph.unary exp %c : (tensor<1x3xf32>) -> tensor<1x3xf32>
  %d = graph.concat %a, %a {axis = 1 : i64} : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x4xf32>
  %s = graph.binary add %d, %y : (tensor<1x4xf32>, tensor<5x4xf32>) -> tensor<5x4xf32>
  %p = graph.matmul %a, %w : (tensor<1x2xf32>, tensor<2x3xf32>) -> tensor<1x3xf32>
  %e = graph.concat %b, %a {axis = 1 : i64} : (tensor<1x1xf32>, tensor<1x2xf32>) -> tensor<1x3xf32>
  %t = graph.binary add %p, %e : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
  func.return %c, %x, %s, %t : tensor<1x3xf32>, tensor<1x3xf32>, tensor<5x4xf32>, tensor<1x3xf32>
}
