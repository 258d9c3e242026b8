// RUN: vcc-opt %s -p 'form-kernels' --split-input-file | filecheck %s

// The residual addition goes with the second convolution; the first one's result is used twice.

// CHECK-LABEL: @residual
// CHECK: %c = graph.kernel %x, %w {kind = "conv", remarks = ["fused nothing; stopped: graph.conv is not elementwise"]} : (tensor<1x16x4x4xf32>, tensor<16x16x1x1xf32>) -> tensor<1x16x4x4xf32> {
// CHECK: %c_1 = graph.conv %0, %1 {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x16x4x4xf32>, tensor<16x16x1x1xf32>) -> tensor<1x16x4x4xf32>
// CHECK: graph.yield %c_1 : tensor<1x16x4x4xf32>
// CHECK: %r = graph.kernel %c, %w {kind = "conv", remarks = ["fused 2 elementwise operations, which saves 4096 bytes of traffic; stopped: it is a result of the model"]} : (tensor<1x16x4x4xf32>, tensor<16x16x1x1xf32>) -> tensor<1x16x4x4xf32> {
// CHECK: %d = graph.conv %0, %1 {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x16x4x4xf32>, tensor<16x16x1x1xf32>) -> tensor<1x16x4x4xf32>
// CHECK: %s = graph.binary add %d, %0 : (tensor<1x16x4x4xf32>, tensor<1x16x4x4xf32>) -> tensor<1x16x4x4xf32>
// CHECK: %r_1 = graph.unary relu %s : (tensor<1x16x4x4xf32>) -> tensor<1x16x4x4xf32>
// CHECK: graph.yield %r_1 : tensor<1x16x4x4xf32>
func.func @residual(%x: tensor<1x16x4x4xf32>, %w: tensor<16x16x1x1xf32>) -> tensor<1x16x4x4xf32> {
  %c = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x16x4x4xf32>, tensor<16x16x1x1xf32>) -> tensor<1x16x4x4xf32>
  %d = graph.conv %c, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x16x4x4xf32>, tensor<16x16x1x1xf32>) -> tensor<1x16x4x4xf32>
  %s = graph.binary add %d, %c : (tensor<1x16x4x4xf32>, tensor<1x16x4x4xf32>) -> tensor<1x16x4x4xf32>
  %r = graph.unary relu %s : (tensor<1x16x4x4xf32>) -> tensor<1x16x4x4xf32>
  func.return %r : tensor<1x16x4x4xf32>
}

// -----

// A view before an elementwise operation becomes part of its load; a reshape costs nothing and stays outside.

// CHECK-LABEL: @views
// CHECK: %e = graph.kernel %x {kind = "elementwise", remarks = ["fused nothing; stopped: graph.reshape is not elementwise"]} : (tensor<4x6xf32>) -> tensor<6x4xf32> {
// CHECK: %t = graph.transpose %0 {perm = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<6x4xf32>
// CHECK: %e_1 = graph.unary exp %t : (tensor<6x4xf32>) -> tensor<6x4xf32>
// CHECK: graph.yield %e_1 : tensor<6x4xf32>
// CHECK: %r = graph.reshape %e : (tensor<6x4xf32>) -> tensor<24xf32>
func.func @views(%x: tensor<4x6xf32>) -> tensor<24xf32> {
  %t = graph.transpose %x {perm = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<6x4xf32>
  %e = graph.unary exp %t : (tensor<6x4xf32>) -> tensor<6x4xf32>
  %r = graph.reshape %e : (tensor<6x4xf32>) -> tensor<24xf32>
  func.return %r : tensor<24xf32>
}

// -----

// A result that is an argument is copied; a constant of one element goes into the kernel; host calls stay outside.

// CHECK-LABEL: @bare
// CHECK: %k = weights.constant dense<2.000000e+00> : tensor<f32>
// CHECK: %m = graph.kernel %x {kind = "elementwise", remarks = ["fused nothing; stopped: it is a result of the model"]} : (tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK: %k_1 = weights.constant dense<2.000000e+00> : tensor<f32>
// CHECK: %m_1 = graph.binary mul %0, %k_1 : (tensor<4x6xf32>, tensor<f32>) -> tensor<4x6xf32>
// CHECK: graph.yield %m_1 : tensor<4x6xf32>
// CHECK: %h = graph.host "Unique" %x {domain = "", version = 11 : i64, attributes = {}, inputs = array<i64: 0>, outputs = array<i64: 0>, reason = "no kernel"} : (tensor<4x6xf32>) -> tensor<4x6xf32>
// CHECK: %0 = graph.kernel %x {kind = "elementwise", remarks = ["copies a value that is a result of the model and lies elsewhere"]} : (tensor<4x6xf32>) -> tensor<4x6xf32> {
// CHECK: %2 = graph.relayout %1 : (tensor<4x6xf32>) -> tensor<4x6xf32>
// CHECK: graph.yield %2 : tensor<4x6xf32>
func.func @bare(%x: tensor<4x6xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>) {
  %k = weights.constant dense<2.0> : tensor<f32>
  %m = graph.binary mul %x, %k : (tensor<4x6xf32>, tensor<f32>) -> tensor<4x6xf32>
  %h = graph.host "Unique" %x {domain = "", version = 11 : i64, attributes = {}, inputs = array<i64: 0>, outputs = array<i64: 0>, reason = "no kernel"} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  func.return %x, %m, %h : tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>
}
