// RUN: vcc-opt %s -p lower-onnx --print-debuginfo | filecheck %s

// Constants become scalars of the operand's dtype; new operations take the node's location, the last one its value name.

// CHECK-LABEL: func.func @hard_swish
func.func @hard_swish(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // CHECK-NEXT: %0 = weights.constant dense<0.166666672> : tensor<f32> loc("act")
  // CHECK-NEXT: %1 = graph.binary mul %x, %0 : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32> loc("act")
  // CHECK-NEXT: %2 = weights.constant dense<5.000000e-01> : tensor<f32> loc("act")
  // CHECK-NEXT: %3 = graph.binary add %1, %2 : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32> loc("act")
  // CHECK-NEXT: %4 = graph.unary relu %3 : (tensor<2x3xf32>) -> tensor<2x3xf32> loc("act")
  // CHECK-NEXT: %5 = weights.constant dense<1.000000e+00> : tensor<f32> loc("act")
  // CHECK-NEXT: %6 = graph.binary min %4, %5 : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32> loc("act")
  // CHECK-NEXT: %y = graph.binary mul %x, %6 {values = {{\[\[}}"y"]]} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32> loc("act")
  // CHECK-NEXT: func.return %y : tensor<2x3xf32>
  %y = "onnx.HardSwish.v14"(%x) {values = [["y"]]} : (tensor<2x3xf32>) -> tensor<2x3xf32> loc("act")
  func.return %y : tensor<2x3xf32>
}

// auto_pad becomes explicit pads, the odd one at the end.
// CHECK-LABEL: func.func @same_upper
func.func @same_upper(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) -> tensor<1x4x4x4xf32> {
  // CHECK-NEXT: graph.conv %x, %w {pads = array<i64: 0, 0, 1, 1>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, group = 1 : i64}
  %y = "onnx.Conv.v11"(%x, %w) <{strides = array<i64: 2, 2>, auto_pad = "SAME_UPPER"}> : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x4x4x4xf32>
  func.return %y : tensor<1x4x4x4xf32>
}

// ceil_mode becomes an overhang.
// CHECK-LABEL: func.func @ceil_mode
func.func @ceil_mode(%x: tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xf32> {
  // CHECK-NEXT: graph.pool average %x {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, overhang = array<i64: 1, 1>, count_include_pad = false}
  %y = "onnx.AveragePool.v19"(%x) <{kernel_shape = array<i64: 3, 3>, strides = array<i64: 2, 2>, ceil_mode = 1 : i64}> : (tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xf32>
  func.return %y : tensor<1x3x4x4xf32>
}

// A node whose result ONNX could not infer gets the type that its lowering has, and so does the function.
// CHECK-LABEL: func.func @unknown_result
// CHECK-SAME: -> tensor<2x3xf32>
func.func @unknown_result(%x: tensor<2x3xf32>) -> !onnx.unknown {
  // CHECK-NEXT: graph.unary relu %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %y = "onnx.Relu.v14"(%x) : (tensor<2x3xf32>) -> !onnx.unknown
  func.return %y : !onnx.unknown
}
