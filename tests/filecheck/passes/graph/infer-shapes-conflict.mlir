// RUN: not --exit 1 vcc-opt %s -p infer-shapes 2>&1 | filecheck %s

// All contradictions are reported at once.
// CHECK: error[VCC-E0106]: the model says f32[1,4,9,9] but it must be f32[1,4,6,6]
// CHECK-NEXT: --> node 'conv' (Conv, opset 11): f32[1,3,8,8], f32[4,3,3,3]
// CHECK: error[VCC-E0106]:
// CHECK-NEXT: --> node 'sum' (Add, opset 14): f32[2], f32[3]
func.func @main(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>, %a: tensor<2xf32>, %b: tensor<3xf32>) {
  %0 = "onnx.Conv.v11"(%x, %w) : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x4x9x9xf32> loc("conv")
  %1 = "onnx.Add.v14"(%a, %b) : (tensor<2xf32>, tensor<3xf32>) -> !onnx.unknown loc("sum")
  func.return
}
