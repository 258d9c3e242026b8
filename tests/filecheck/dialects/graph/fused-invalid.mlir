// RUN: vcc-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

func.func @f(%x: tensor<4xi32>) {
  // CHECK: gelu: takes floats, not i32
  %0 = graph.gelu none %x : (tensor<4xi32>) -> tensor<4xi32>
  func.return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %s: tensor<3xf32>) {
  // CHECK: rms_norm: scale is 3, the axes have 4
  %0 = graph.rms_norm %x, %s {axis = 1 : i64, epsilon = 1.000000e-05 : f32} : (tensor<2x4xf32>, tensor<3xf32>) -> tensor<2x4xf32>
  func.return
}

// -----

func.func @f(%q: tensor<3x4xf32>, %k: tensor<5x3xf32>, %v: tensor<5x6xf32>) {
  // CHECK: attention: rows of q have 4, of k 3 elements
  %0 = graph.attention %q, %k, %v {scale = 1.000000e+00 : f32} : (tensor<3x4xf32>, tensor<5x3xf32>, tensor<5x6xf32>) -> tensor<3x6xf32>
  func.return
}

// -----

func.func @f(%q: tensor<3x4xf32>, %k: tensor<5x4xf32>, %v: tensor<5x6xf32>, %m: tensor<2x3x5xf32>) {
  // CHECK: attention: mask 2x3x5 does not broadcast to the scores
  %0 = graph.attention %q, %k, %v, %m {scale = 1.000000e+00 : f32} : (tensor<3x4xf32>, tensor<5x4xf32>, tensor<5x6xf32>, tensor<2x3x5xf32>) -> tensor<3x6xf32>
  func.return
}

// -----

func.func @f(%q: tensor<2x3x4xf32>, %k: tensor<1x5x4xf32>, %v: tensor<1x5x6xf32>) {
  // CHECK: attention: the leading axes of 2x3x4 and 1x5x4 and 1x5x6 differ
  %0 = graph.attention %q, %k, %v {scale = 1.000000e+00 : f32} : (tensor<2x3x4xf32>, tensor<1x5x4xf32>, tensor<1x5x6xf32>) -> tensor<2x3x6xf32>
  func.return
}
