// RUN: vcc-opt %s -p apply-rules{files=movement,rotary} | filecheck %s

// CHECK-LABEL: func.func @around_unary
// CHECK-NEXT:    graph.unary tanh %x
// CHECK-NEXT:    func.return
func.func @around_unary(%x: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  %0 = graph.transpose %x {perm = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
  %1 = graph.unary tanh %0 : (tensor<4x2x3xf32>) -> tensor<4x2x3xf32>
  %2 = graph.transpose %1 {perm = array<i64: 1, 2, 0>} : (tensor<4x2x3xf32>) -> tensor<2x3x4xf32>
  func.return %2 : tensor<2x3x4xf32>
}

// The second transposition does not undo the first.
// CHECK-LABEL: func.func @not_inverse
// CHECK:         graph.transpose
// CHECK:         graph.transpose
func.func @not_inverse(%x: tensor<2x3x4xf32>) -> tensor<3x4x2xf32> {
  %0 = graph.transpose %x {perm = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
  %1 = graph.unary tanh %0 : (tensor<4x2x3xf32>) -> tensor<4x2x3xf32>
  %2 = graph.transpose %1 {perm = array<i64: 2, 0, 1>} : (tensor<4x2x3xf32>) -> tensor<3x4x2xf32>
  func.return %2 : tensor<3x4x2xf32>
}

// CHECK-LABEL: func.func @around_difference
// CHECK-NEXT:    graph.binary sub %x, %y
// CHECK-NEXT:    func.return
func.func @around_difference(%x: tensor<2x3xf32>, %y: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = graph.transpose %x {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %1 = graph.transpose %y {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %2 = graph.binary sub %0, %1 : (tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<3x2xf32>
  %3 = graph.transpose %2 {perm = array<i64: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  func.return %3 : tensor<2x3xf32>
}

// The halves are exchanged by a view; no concatenation stays.
// CHECK-LABEL: func.func @rotary
// CHECK-NOT:     graph.concat
// CHECK:         graph.slice {{.*}}starts = array<i64: 0, 1, 0>{{.*}}steps = array<i64: 1, -1, 1>
// CHECK-NOT:     graph.concat
// CHECK:         graph.reshape {{.*}} -> tensor<3x8xf32>
// CHECK-NEXT:    func.return
func.func @rotary(%x: tensor<3x8xf32>, %cos: tensor<3x8xf32>, %sin: tensor<3x8xf32>) -> tensor<3x8xf32> {
  %0 = graph.slice %x {starts = array<i64: 0, 0>, sizes = array<i64: 3, 4>, steps = array<i64: 1, 1>} : (tensor<3x8xf32>) -> tensor<3x4xf32>
  %1 = graph.slice %x {starts = array<i64: 0, 4>, sizes = array<i64: 3, 4>, steps = array<i64: 1, 1>} : (tensor<3x8xf32>) -> tensor<3x4xf32>
  %2 = graph.unary neg %1 : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %3 = graph.concat %2, %0 {axis = 1 : i64} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x8xf32>
  %4 = graph.binary mul %x, %cos : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %5 = graph.binary mul %3, %sin : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %6 = graph.binary add %4, %5 : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  func.return %6 : tensor<3x8xf32>
}

// A quarter is not a half.
// CHECK-LABEL: func.func @not_halves
// CHECK:         graph.concat
func.func @not_halves(%x: tensor<3x8xf32>, %cos: tensor<3x8xf32>, %sin: tensor<3x8xf32>) -> tensor<3x8xf32> {
  %0 = graph.slice %x {starts = array<i64: 0, 0>, sizes = array<i64: 3, 4>, steps = array<i64: 1, 1>} : (tensor<3x8xf32>) -> tensor<3x4xf32>
  %1 = graph.slice %x {starts = array<i64: 0, 2>, sizes = array<i64: 3, 4>, steps = array<i64: 1, 1>} : (tensor<3x8xf32>) -> tensor<3x4xf32>
  %2 = graph.unary neg %1 : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %3 = graph.concat %2, %0 {axis = 1 : i64} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x8xf32>
  %4 = graph.binary mul %x, %cos : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %5 = graph.binary mul %3, %sin : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %6 = graph.binary add %4, %5 : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  func.return %6 : tensor<3x8xf32>
}
