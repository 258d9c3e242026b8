// RUN: vcc-opt %s -p 'lower-onnx' | filecheck %s
// The range of a large tensor is that of its parts, which cores share; that of a small one is found at once.

// CHECK-LABEL: func.func @large
// CHECK: graph.reduce min %x {axes = array<i64: 2, 3>, keepdims = false} : (tensor<1x32x64x64xf32>) -> tensor<1x32xf32>
// CHECK-NEXT: graph.reduce max %x {axes = array<i64: 2, 3>
// CHECK-NEXT: graph.reduce min %{{.*}} {axes = array<i64: 0, 1>, keepdims = false} : (tensor<1x32xf32>) -> tensor<f32>
// CHECK-NEXT: graph.reduce max %{{.*}} {axes = array<i64: 0, 1>
func.func @large(%x: tensor<1x32x64x64xf32>) -> tensor<1x32x64x64xui8> {
  %q, %s, %z = "onnx.DynamicQuantizeLinear.v11"(%x) : (tensor<1x32x64x64xf32>) -> (tensor<1x32x64x64xui8>, tensor<f32>, tensor<ui8>)
  func.return %q : tensor<1x32x64x64xui8>
}

// CHECK-LABEL: func.func @small
// CHECK: graph.reduce min %x {axes = array<i64: 0, 1>
// CHECK-NOT: graph.reduce min
func.func @small(%x: tensor<32x64xf32>) -> tensor<32x64xui8> {
  %q, %s, %z = "onnx.DynamicQuantizeLinear.v11"(%x) : (tensor<32x64xf32>) -> (tensor<32x64xui8>, tensor<f32>, tensor<ui8>)
  func.return %q : tensor<32x64xui8>
}
