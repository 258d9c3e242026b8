// RUN: vcc-opt %s -p 'expand-long-rows{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s

// 2048 f32 are all of the tiny machine's ub.

// CHECK-LABEL: @long
// CHECK-NOT: graph.softmax
// CHECK: %y = graph.reduce max %x {axes = array<i64: 1>, keepdims = true} : (tensor<3x2048xf32>) -> tensor<3x1xf32>
// CHECK: %y_1 = graph.binary sub %x, %y : (tensor<3x2048xf32>, tensor<3x1xf32>) -> tensor<3x2048xf32>
// CHECK: %y_2 = graph.unary exp %y_1 : (tensor<3x2048xf32>) -> tensor<3x2048xf32>
// CHECK: %y_3 = graph.reduce add %y_2 {axes = array<i64: 1>, keepdims = true} : (tensor<3x2048xf32>) -> tensor<3x1xf32>
// CHECK: %y_4 = graph.binary div %y_2, %y_3 : (tensor<3x2048xf32>, tensor<3x1xf32>) -> tensor<3x2048xf32>
// CHECK-NOT: graph.softmax
func.func @long(%x: tensor<3x2048xf32>) -> tensor<3x2048xf32> {
  %y = graph.softmax %x {axis = 1 : i64} : (tensor<3x2048xf32>) -> tensor<3x2048xf32>
  func.return %y : tensor<3x2048xf32>
}

// -----

// Along another axis rows are short.

// CHECK-LABEL: @short
// CHECK-NOT: graph.reduce
// CHECK: %y = graph.softmax %x {axis = 0 : i64} : (tensor<3x2048xf32>) -> tensor<3x2048xf32>
// CHECK-NOT: graph.reduce
func.func @short(%x: tensor<3x2048xf32>) -> tensor<3x2048xf32> {
  %y = graph.softmax %x {axis = 0 : i64} : (tensor<3x2048xf32>) -> tensor<3x2048xf32>
  func.return %y : tensor<3x2048xf32>
}

// -----

// Layer norm: scale and bias are of one row.

// CHECK-LABEL: @norm
// CHECK-NOT: graph.layer_norm
// CHECK: %y_1 = graph.reduce add %x {axes = array<i64: 1>, keepdims = true} : (tensor<3x2048xf32>) -> tensor<3x1xf32>
// CHECK: %y_2 = graph.binary mul %y_1, %y : (tensor<3x1xf32>, tensor<f32>) -> tensor<3x1xf32>
// CHECK: %y_3 = graph.binary sub %x, %y_2 : (tensor<3x2048xf32>, tensor<3x1xf32>) -> tensor<3x2048xf32>
// CHECK: %y_4 = graph.binary mul %y_3, %y_3 : (tensor<3x2048xf32>, tensor<3x2048xf32>) -> tensor<3x2048xf32>
// CHECK: %y_5 = graph.reduce add %y_4 {axes = array<i64: 1>, keepdims = true} : (tensor<3x2048xf32>) -> tensor<3x1xf32>
// CHECK: %y_6 = graph.binary mul %y_5, %y : (tensor<3x1xf32>, tensor<f32>) -> tensor<3x1xf32>
// CHECK: %y_8 = graph.binary add %y_6, %y_7 : (tensor<3x1xf32>, tensor<f32>) -> tensor<3x1xf32>
// CHECK: %y_9 = graph.unary rsqrt %y_8 : (tensor<3x1xf32>) -> tensor<3x1xf32>
// CHECK: %y_10 = graph.binary mul %y_3, %y_9 : (tensor<3x2048xf32>, tensor<3x1xf32>) -> tensor<3x2048xf32>
// CHECK: %y_11 = graph.binary mul %y_10, %s : (tensor<3x2048xf32>, tensor<2048xf32>) -> tensor<3x2048xf32>
// CHECK: %y_12 = graph.binary add %y_11, %b : (tensor<3x2048xf32>, tensor<2048xf32>) -> tensor<3x2048xf32>
// CHECK-NOT: graph.layer_norm
func.func @norm(%x: tensor<3x2048xf32>, %s: tensor<2048xf32>, %b: tensor<2048xf32>) -> tensor<3x2048xf32> {
  %y = graph.layer_norm %x, %s, %b {axis = 1 : i64, epsilon = 1.0e-05 : f32} : (tensor<3x2048xf32>, tensor<2048xf32>, tensor<2048xf32>) -> tensor<3x2048xf32>
  func.return %y : tensor<3x2048xf32>
}
