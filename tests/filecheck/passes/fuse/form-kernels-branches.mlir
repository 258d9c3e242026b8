// RUN: vcc-opt %s -p 'form-kernels' --split-input-file | filecheck %s
// Branches that only meet in a chain are part of it; one whose value is used elsewhere is not.

// CHECK-LABEL: @branches
// CHECK: %0 = graph.kernel %z {kind = "elementwise", remarks = ["fused nothing; stopped: graph.binary is in another kernel"]} : (tensor<4xf32>) -> tensor<4xf32> {
// CHECK: %2 = graph.unary sqrt %1 : (tensor<4xf32>) -> tensor<4xf32>
// CHECK: graph.yield %2 : tensor<4xf32>
// CHECK: %1 = graph.kernel %x, %y, %0 {kind = "elementwise", remarks = ["fused 4 elementwise operations, which saves 128 bytes of traffic; stopped: it is a result of the model"]} : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> {
// CHECK: %5 = graph.unary exp %2 : (tensor<4xf32>) -> tensor<4xf32>
// CHECK: %6 = graph.unary tanh %3 : (tensor<4xf32>) -> tensor<4xf32>
// CHECK: %7 = graph.unary neg %6 : (tensor<4xf32>) -> tensor<4xf32>
// CHECK: %8 = graph.binary add %5, %7 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
// CHECK: %9 = graph.binary add %8, %4 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
// CHECK: graph.yield %9 : tensor<4xf32>
// CHECK: func.return %1, %0 : tensor<4xf32>, tensor<4xf32>
func.func @branches(%x: tensor<4xf32>, %y: tensor<4xf32>, %z: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = graph.unary exp %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = graph.unary tanh %y : (tensor<4xf32>) -> tensor<4xf32>
  %2 = graph.unary neg %1 : (tensor<4xf32>) -> tensor<4xf32>
  %3 = graph.unary sqrt %z : (tensor<4xf32>) -> tensor<4xf32>
  %4 = graph.binary add %0, %2 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %5 = graph.binary add %4, %3 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %5, %3 : tensor<4xf32>, tensor<4xf32>
}
