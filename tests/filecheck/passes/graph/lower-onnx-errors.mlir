// RUN: not --exit 2 vcc-opt %s -p lower-onnx 2>&1 | filecheck %s

// All obstacles come together, each with its node.

func.func @main(%x: tensor<2x3xf32>, %c: tensor<i1>, %w: tensor<5x3xf32>) -> (!onnx.unknown, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x4xf32>) {
  // CHECK: error[VCC-E0104]: the shape of an output depends on data
  // CHECK-NEXT: node 'where' (NonZero): f32[2,3] -> ?
  %i = "onnx.NonZero.v13"(%x) : (tensor<2x3xf32>) -> !onnx.unknown loc("where")
  // What follows from it is not reported again.
  // CHECK-NOT: node 'after'
  %j = "onnx.Neg.v13"(%i) : (!onnx.unknown) -> !onnx.unknown loc("after")
  // CHECK: error[VCC-E0120]: operator com.microsoft.Thing is unknown
  // CHECK-NEXT: node 'thing'
  %t = "onnx.custom"(%x) <{domain = "com.microsoft", op_type = "Thing", opset = 1 : i64, attributes = {}}> : (tensor<2x3xf32>) -> tensor<2x3xf32> loc("thing")
  // CHECK: error[VCC-E0121]: operator If, which has subgraphs, is not supported yet
  // CHECK-NEXT: node 'choice' (If): i1[] -> f32[2,3]
  %b = "onnx.If.v13"(%c) ({
    onnx.yield %x : tensor<2x3xf32>
  }, {
    onnx.yield %x : tensor<2x3xf32>
  }) : (tensor<i1>) -> tensor<2x3xf32> loc("choice")
  // CHECK: error[VCC-E0106]: the model says the result is f32[2,4], its operands make it f32[2,3]
  // CHECK-NEXT: node 'wrong' (Relu): f32[2,3] -> f32[2,4]
  %r = "onnx.Relu.v14"(%x) : (tensor<2x3xf32>) -> tensor<2x4xf32> loc("wrong")
  func.return %j, %t, %b, %r : !onnx.unknown, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x4xf32>
}
