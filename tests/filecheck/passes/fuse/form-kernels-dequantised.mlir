// RUN: vcc-opt %s -p 'form-kernels' --split-input-file | filecheck %s

// Bytes lie between the kernels: the softmax dequantises them.

// CHECK-LABEL: @scores
// CHECK: graph.kernel %a, %b {kind = "matmul", remarks = ["fused 3 elementwise operations, {{.*}}; stopped: the row operation after it dequantises its bytes"]} : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xui8>
// CHECK: graph.kernel %{{.*}} {kind = "softmax", {{.*}}} : (tensor<4x6xui8>) -> tensor<4x6xf32>
func.func @scores(%a: tensor<4x8xf32>, %b: tensor<8x6xf32>) -> tensor<4x6xf32> {
  %s = weights.constant dense<2.500000e-01> : tensor<f32>
  %z = weights.constant dense<3.000000e+00> : tensor<f32>
  %0 = graph.matmul %a, %b : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>
  %1 = graph.binary div %0, %s : (tensor<4x6xf32>, tensor<f32>) -> tensor<4x6xf32>
  %2 = graph.unary round %1 : (tensor<4x6xf32>) -> tensor<4x6xf32>
  %3 = graph.cast %2 : (tensor<4x6xf32>) -> tensor<4x6xui8>
  %4 = graph.cast %3 : (tensor<4x6xui8>) -> tensor<4x6xf32>
  %5 = graph.binary sub %4, %z : (tensor<4x6xf32>, tensor<f32>) -> tensor<4x6xf32>
  %6 = graph.binary mul %5, %s : (tensor<4x6xf32>, tensor<f32>) -> tensor<4x6xf32>
  %7 = graph.softmax %6 {axis = 1 : i64} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  func.return %7 : tensor<4x6xf32>
}

// -----

// Columns are read as floats, and so is what others read.

// CHECK-LABEL: @columns
// CHECK: graph.kernel %a, %b {kind = "matmul", {{.*}}} : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>
func.func @columns(%a: tensor<4x8xf32>, %b: tensor<8x6xf32>) -> tensor<4x6xf32> {
  %s = weights.constant dense<2.500000e-01> : tensor<f32>
  %0 = graph.matmul %a, %b : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>
  %1 = graph.cast %0 : (tensor<4x6xf32>) -> tensor<4x6xui8>
  %2 = graph.cast %1 : (tensor<4x6xui8>) -> tensor<4x6xf32>
  %3 = graph.binary mul %2, %s : (tensor<4x6xf32>, tensor<f32>) -> tensor<4x6xf32>
  %4 = graph.softmax %3 {axis = 0 : i64} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  func.return %4 : tensor<4x6xf32>
}

// -----

// A row operation that shares what it reads has a dequantisation of its own.

// CHECK-LABEL: @shared
// CHECK: kind = "layer_norm"
// CHECK: graph.cast
// CHECK: graph.layer_norm
func.func @shared(%x: tensor<4x6xui8>, %g: tensor<6xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %s = weights.constant dense<2.500000e-01> : tensor<f32>
  %0 = graph.cast %x : (tensor<4x6xui8>) -> tensor<4x6xf32>
  %1 = graph.binary mul %0, %s : (tensor<4x6xf32>, tensor<f32>) -> tensor<4x6xf32>
  %2 = graph.layer_norm %1, %g {axis = 1 : i64, epsilon = 1.000000e-05 : f32} : (tensor<4x6xf32>, tensor<6xf32>) -> tensor<4x6xf32>
  %3 = graph.binary add %1, %1 : (tensor<4x6xf32>, tensor<4x6xf32>) -> tensor<4x6xf32>
  func.return %2, %3 : tensor<4x6xf32>, tensor<4x6xf32>
}
