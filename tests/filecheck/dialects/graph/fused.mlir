// RUN: vcc-opt %s | vcc-opt | filecheck %s

// CHECK-LABEL: func.func @fused
func.func @fused(%x: tensor<2x3x4xf32>, %scale: tensor<4xf32>, %k: tensor<2x5x4xf32>, %v: tensor<2x5x6xf32>, %mask: tensor<3x5xf32>) {
  // CHECK-NEXT: graph.gelu none %x : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %0 = graph.gelu none %x : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  // CHECK-NEXT: graph.gelu tanh %x : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %1 = graph.gelu tanh %x : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  // CHECK-NEXT: graph.rms_norm %x, %scale {axis = 2 : i64, epsilon = 1.000000e-05 : f32} : (tensor<2x3x4xf32>, tensor<4xf32>) -> tensor<2x3x4xf32>
  %2 = graph.rms_norm %x, %scale {axis = 2 : i64, epsilon = 1.000000e-05 : f32} : (tensor<2x3x4xf32>, tensor<4xf32>) -> tensor<2x3x4xf32>
  // CHECK-NEXT: graph.attention %x, %k, %v {scale = 5.000000e-01 : f32} : (tensor<2x3x4xf32>, tensor<2x5x4xf32>, tensor<2x5x6xf32>) -> tensor<2x3x6xf32>
  %3 = graph.attention %x, %k, %v {scale = 5.000000e-01 : f32} : (tensor<2x3x4xf32>, tensor<2x5x4xf32>, tensor<2x5x6xf32>) -> tensor<2x3x6xf32>
  // CHECK-NEXT: graph.attention %x, %k, %v, %mask {scale = 1.000000e+00 : f32} : (tensor<2x3x4xf32>, tensor<2x5x4xf32>, tensor<2x5x6xf32>, tensor<3x5xf32>) -> tensor<2x3x6xf32>
  %4 = graph.attention %x, %k, %v, %mask {scale = 1.000000e+00 : f32} : (tensor<2x3x4xf32>, tensor<2x5x4xf32>, tensor<2x5x6xf32>, tensor<3x5xf32>) -> tensor<2x3x6xf32>
  func.return
}
