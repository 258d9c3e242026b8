// RUN: vcc-opt %s --print-debuginfo | vcc-opt --print-debuginfo | filecheck %s

// Schema-derived ops, optional inputs that are left out, subgraphs, types that only ONNX has, custom ops.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>, %c: tensor<i1>, %s: !onnx.seq<tensor<?xf32>>) {
  // CHECK: %{{.*}} = weights.constant {values = {{\[\[}}"max"]]} dense<1.000000e+00> : tensor<f32>
  %max = weights.constant {values = [["max"]]} dense<1.0> : tensor<f32>
  // CHECK: weights.constant #weights.blob<"0123"> : tensor<64x64xf32>
  %blob = weights.constant #weights.blob<"0123"> : tensor<64x64xf32>
  // CHECK: "onnx.Conv.v11"(%x, %w) <{strides = array<i64: 2, 2>, auto_pad = "SAME_UPPER"}> {values = {{\[\[}}"y"]]} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> !onnx.unknown loc("conv")
  %y = "onnx.Conv.v11"(%x, %w) <{strides = array<i64: 2, 2>, auto_pad = "SAME_UPPER"}> {values = [["y"]]} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> !onnx.unknown loc("conv")
  // CHECK: "onnx.Clip.v11"(%x, %max) <{absent_inputs = array<i64: 1>}>
  // CHECK-SAME: loc(fused["clip", "other"])
  %z = "onnx.Clip.v11"(%x, %max) <{absent_inputs = array<i64: 1>}> : (tensor<1x3x8x8xf32>, tensor<f32>) -> tensor<1x3x8x8xf32> loc(fused["clip", "other"])
  // CHECK: "onnx.If.v13"(%c) ({
  // CHECK:   onnx.yield %{{.*}} : !onnx.unknown
  // CHECK: }, {
  // CHECK:   onnx.yield %y : !onnx.unknown
  %i = "onnx.If.v13"(%c) ({
    %n = "onnx.Neg.v13"(%y) : (!onnx.unknown) -> !onnx.unknown
    onnx.yield %n : !onnx.unknown
  }, {
    onnx.yield %y : !onnx.unknown
  }) : (tensor<i1>) -> !onnx.unknown
  // CHECK: "onnx.custom"(%x) <{domain = "com.microsoft", op_type = "FastGelu", opset = 1 : i64, attributes = {alpha = 5.000000e-01 : f32}}>
  %g = "onnx.custom"(%x) <{domain = "com.microsoft", op_type = "FastGelu", opset = 1 : i64, attributes = {alpha = 0.5 : f32}}> : (tensor<1x3x8x8xf32>) -> tensor<1x3x8x8xf32>
  // CHECK: "onnx.SequenceLength.v11"(%s) : (!onnx.seq<tensor<?xf32>>) -> tensor<i64>
  %l = "onnx.SequenceLength.v11"(%s) : (!onnx.seq<tensor<?xf32>>) -> tensor<i64>
  // CHECK: "onnx_ml.Scaler.v1"
  %m = "onnx_ml.Scaler.v1"(%x) <{offset = array<f32: 0.5>}> : (tensor<1x3x8x8xf32>) -> tensor<1x3x8x8xf32>
  func.return
}
