// RUN: vcc-opt %s -p 'form-integer-products' --split-input-file | filecheck %s

// Scales of the second operand may be many, one for each column.

// CHECK-LABEL: @columns
// CHECK: %0 = "onnx.MatMulInteger.v10"(%a, %b, %z)
// CHECK: %1 = "onnx.Mul.v14"(%s, %t)
// CHECK: %2 = "onnx.Cast.v21"(%0)
// CHECK: %3 = "onnx.Mul.v14"(%2, %1)
func.func @columns(%a: tensor<5x8xui8>, %b: tensor<8x3xi8>) -> tensor<5x3xf32> {
  %s = weights.constant dense<2.500000e-01> : tensor<f32>
  %z = weights.constant dense<3> : tensor<ui8>
  %t = weights.constant dense<[1.000000e+00, 2.000000e+00, 4.000000e+00]> : tensor<3xf32>
  %0 = "onnx.DequantizeLinear.v21"(%a, %s, %z) : (tensor<5x8xui8>, tensor<f32>, tensor<ui8>) -> tensor<5x8xf32>
  %1 = "onnx.DequantizeLinear.v21"(%b, %t) <{axis = 1 : i64}> : (tensor<8x3xi8>, tensor<3xf32>) -> tensor<8x3xf32>
  %2 = "onnx.MatMul.v13"(%0, %1) : (tensor<5x8xf32>, tensor<8x3xf32>) -> tensor<5x3xf32>
  func.return %2 : tensor<5x3xf32>
}

// -----

// What quantises the result is part of the product, and a Relu that the range implies goes.

// CHECK-LABEL: @quantised
// CHECK: %1 = "onnx.QLinearMatMul.v21"(%a, %s, %z, %b, %s, %0, %s, %y)
// CHECK: func.return %1
func.func @quantised(%a: tensor<5x8xui8>, %b: tensor<8x3xi8>) -> tensor<5x3xui8> {
  %s = weights.constant dense<2.500000e-01> : tensor<f32>
  %z = weights.constant dense<3> : tensor<ui8>
  %y = weights.constant dense<0> : tensor<ui8>
  %0 = "onnx.DequantizeLinear.v21"(%a, %s, %z) : (tensor<5x8xui8>, tensor<f32>, tensor<ui8>) -> tensor<5x8xf32>
  %1 = "onnx.DequantizeLinear.v21"(%b, %s) : (tensor<8x3xi8>, tensor<f32>) -> tensor<8x3xf32>
  %2 = "onnx.MatMul.v13"(%0, %1) : (tensor<5x8xf32>, tensor<8x3xf32>) -> tensor<5x3xf32>
  %3 = "onnx.Relu.v14"(%2) : (tensor<5x3xf32>) -> tensor<5x3xf32>
  %4 = "onnx.QuantizeLinear.v21"(%3, %s, %y) : (tensor<5x3xf32>, tensor<f32>, tensor<ui8>) -> tensor<5x3xui8>
  func.return %4 : tensor<5x3xui8>
}

// -----

// A bias in i32 by the product of both scales is added to the sums, another one to the numbers.

// CHECK-LABEL: @biases
// CHECK: %2 = "onnx.MatMulInteger.v10"(%a, %1)
// CHECK: %3 = "onnx.Add.v14"(%2, %c) : (tensor<5x3xi32>
// CHECK: %4 = "onnx.Mul.v14"(%s, %t)
// CHECK: %6 = "onnx.Mul.v14"(%5, %4)
// CHECK: %8 = "onnx.MatMulInteger.v10"(%a, %7)
// CHECK: %11 = "onnx.Mul.v14"(%10, %9)
// CHECK: %12 = "onnx.Add.v14"(%11, %0)
func.func @biases(%a: tensor<5x8xui8>, %b: tensor<3x8xi8>, %c: tensor<3xi32>) -> (tensor<5x3xf32>, tensor<5x3xf32>) {
  %s = weights.constant dense<2.500000e-01> : tensor<f32>
  %t = weights.constant dense<5.000000e-01> : tensor<f32>
  %st = weights.constant dense<1.250000e-01> : tensor<f32>
  %0 = "onnx.DequantizeLinear.v21"(%a, %s) : (tensor<5x8xui8>, tensor<f32>) -> tensor<5x8xf32>
  %1 = "onnx.DequantizeLinear.v21"(%b, %t) : (tensor<3x8xi8>, tensor<f32>) -> tensor<3x8xf32>
  %2 = "onnx.DequantizeLinear.v21"(%c, %st) : (tensor<3xi32>, tensor<f32>) -> tensor<3xf32>
  %3 = "onnx.DequantizeLinear.v21"(%c, %t) : (tensor<3xi32>, tensor<f32>) -> tensor<3xf32>
  %4 = "onnx.Gemm.v13"(%0, %1, %2) <{transB = 1 : i64}> : (tensor<5x8xf32>, tensor<3x8xf32>, tensor<3xf32>) -> tensor<5x3xf32>
  %5 = "onnx.Gemm.v13"(%0, %1, %3) <{transB = 1 : i64}> : (tensor<5x8xf32>, tensor<3x8xf32>, tensor<3xf32>) -> tensor<5x3xf32>
  func.return %4, %5 : tensor<5x3xf32>, tensor<5x3xf32>
}

// -----

// A convolution, behind a movement of what was dequantised.

// CHECK-LABEL: @convolution
// CHECK: %0 = "onnx.MaxPool.v12"(%a) {{.*}} -> tensor<1x8x2x2xui8>
// CHECK: "onnx.QLinearConv.v10"(%0, %s, %1, %b, %s, %2, %s, %3)
func.func @convolution(%a: tensor<1x8x4x4xui8>, %b: tensor<6x8x1x1xi8>) -> tensor<1x6x2x2xui8> {
  %s = weights.constant dense<2.500000e-01> : tensor<f32>
  %0 = "onnx.DequantizeLinear.v21"(%a, %s) : (tensor<1x8x4x4xui8>, tensor<f32>) -> tensor<1x8x4x4xf32>
  %1 = "onnx.MaxPool.v12"(%0) <{kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>}> : (tensor<1x8x4x4xf32>) -> tensor<1x8x2x2xf32>
  %2 = "onnx.DequantizeLinear.v21"(%b, %s) : (tensor<6x8x1x1xi8>, tensor<f32>) -> tensor<6x8x1x1xf32>
  %3 = "onnx.Conv.v11"(%1, %2) : (tensor<1x8x2x2xf32>, tensor<6x8x1x1xf32>) -> tensor<1x6x2x2xf32>
  %4 = "onnx.QuantizeLinear.v21"(%3, %s) : (tensor<1x6x2x2xf32>, tensor<f32>) -> tensor<1x6x2x2xui8>
  func.return %4 : tensor<1x6x2x2xui8>
}

// -----

// Quantised twice by one scale is quantised once, and of two unsigned operands the second becomes signed.

// CHECK-LABEL: @computed
// CHECK: %0 = "onnx.QuantizeLinear.v21"(%a, %s, %z)
// CHECK: %1 = weights.constant dense<-28> : tensor<i8>
// CHECK: %2 = "onnx.QuantizeLinear.v21"(%b, %s, %1)
// CHECK: %3 = "onnx.Transpose.v13"(%2) {{.*}} -> tensor<2x8x4xi8>
// CHECK: %4 = "onnx.MatMulInteger.v10"(%0, %3, %z, %1)
func.func @computed(%a: tensor<2x5x8xf32>, %b: tensor<2x4x8xf32>) -> tensor<2x5x4xf32> {
  %s = weights.constant dense<2.500000e-01> : tensor<f32>
  %z = weights.constant dense<100> : tensor<ui8>
  %0 = "onnx.QuantizeLinear.v21"(%a, %s, %z) : (tensor<2x5x8xf32>, tensor<f32>, tensor<ui8>) -> tensor<2x5x8xui8>
  %1 = "onnx.DequantizeLinear.v21"(%0, %s, %z) : (tensor<2x5x8xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x5x8xf32>
  %2 = "onnx.QuantizeLinear.v21"(%b, %s, %z) : (tensor<2x4x8xf32>, tensor<f32>, tensor<ui8>) -> tensor<2x4x8xui8>
  %3 = "onnx.DequantizeLinear.v21"(%2, %s, %z) : (tensor<2x4x8xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x4x8xf32>
  %4 = "onnx.Transpose.v13"(%3) <{perm = array<i64: 0, 2, 1>}> : (tensor<2x4x8xf32>) -> tensor<2x8x4xf32>
  %5 = "onnx.QuantizeLinear.v21"(%4, %s, %z) : (tensor<2x8x4xf32>, tensor<f32>, tensor<ui8>) -> tensor<2x8x4xui8>
  %6 = "onnx.DequantizeLinear.v21"(%5, %s, %z) : (tensor<2x8x4xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x8x4xf32>
  %7 = "onnx.MatMul.v13"(%1, %6) : (tensor<2x5x8xf32>, tensor<2x8x4xf32>) -> tensor<2x5x4xf32>
  func.return %7 : tensor<2x5x4xf32>
}

// -----

// What both operands are made of keeps its sign.

// CHECK-LABEL: @square
// CHECK: %0 = "onnx.QuantizeLinear.v21"(%a, %s, %z)
// CHECK-NEXT: %1 = "onnx.Transpose.v13"(%0)
// CHECK-NEXT: "onnx.MatMulInteger.v10"(%0, %1, %z, %z)
func.func @square(%a: tensor<5x8xf32>) -> tensor<5x5xf32> {
  %s = weights.constant dense<2.500000e-01> : tensor<f32>
  %z = weights.constant dense<100> : tensor<ui8>
  %0 = "onnx.QuantizeLinear.v21"(%a, %s, %z) : (tensor<5x8xf32>, tensor<f32>, tensor<ui8>) -> tensor<5x8xui8>
  %1 = "onnx.DequantizeLinear.v21"(%0, %s, %z) : (tensor<5x8xui8>, tensor<f32>, tensor<ui8>) -> tensor<5x8xf32>
  %2 = "onnx.Transpose.v13"(%1) : (tensor<5x8xf32>) -> tensor<8x5xf32>
  %3 = "onnx.MatMul.v13"(%1, %2) : (tensor<5x8xf32>, tensor<8x5xf32>) -> tensor<5x5xf32>
  func.return %3 : tensor<5x5xf32>
}

// -----

// Of two products that want one operand of either sign, the first decides.

// CHECK-LABEL: @either
// CHECK: "onnx.QuantizeLinear.v21"(%a, %s, %z)
// CHECK: "onnx.QuantizeLinear.v21"(%b, %s, %1) {{.*}} -> tensor<8x8xi8>
func.func @either(%a: tensor<5x8xf32>, %b: tensor<8x8xf32>, %w: tensor<8x3xi8>) -> (tensor<5x8xf32>, tensor<8x3xf32>) {
  %s = weights.constant dense<2.500000e-01> : tensor<f32>
  %z = weights.constant dense<100> : tensor<ui8>
  %0 = "onnx.QuantizeLinear.v21"(%a, %s, %z) : (tensor<5x8xf32>, tensor<f32>, tensor<ui8>) -> tensor<5x8xui8>
  %1 = "onnx.DequantizeLinear.v21"(%0, %s, %z) : (tensor<5x8xui8>, tensor<f32>, tensor<ui8>) -> tensor<5x8xf32>
  %2 = "onnx.QuantizeLinear.v21"(%b, %s, %z) : (tensor<8x8xf32>, tensor<f32>, tensor<ui8>) -> tensor<8x8xui8>
  %3 = "onnx.DequantizeLinear.v21"(%2, %s, %z) : (tensor<8x8xui8>, tensor<f32>, tensor<ui8>) -> tensor<8x8xf32>
  %4 = "onnx.MatMul.v13"(%1, %3) : (tensor<5x8xf32>, tensor<8x8xf32>) -> tensor<5x8xf32>
  %5 = "onnx.DequantizeLinear.v21"(%w, %s) : (tensor<8x3xi8>, tensor<f32>) -> tensor<8x3xf32>
  %6 = "onnx.MatMul.v13"(%3, %5) : (tensor<8x8xf32>, tensor<8x3xf32>) -> tensor<8x3xf32>
  func.return %4, %6 : tensor<5x8xf32>, tensor<8x3xf32>
}

// -----

// Rows of a table are gathered as bytes.

// CHECK-LABEL: @table
// CHECK: %0 = "onnx.Gather.v13"(%t, %i) : (tensor<4x2xui8>, tensor<3xi64>) -> tensor<3x2xui8>
// CHECK-NEXT: "onnx.DequantizeLinear.v21"(%0, %s)
func.func @table(%i: tensor<3xi64>) -> tensor<3x2xf32> {
  %s = weights.constant dense<2.500000e-01> : tensor<f32>
  %t = weights.constant dense<[[1, 2], [3, 4], [5, 6], [7, 8]]> : tensor<4x2xui8>
  %0 = "onnx.DequantizeLinear.v21"(%t, %s) : (tensor<4x2xui8>, tensor<f32>) -> tensor<4x2xf32>
  %1 = "onnx.Gather.v13"(%0, %i) : (tensor<4x2xf32>, tensor<3xi64>) -> tensor<3x2xf32>
  func.return %1 : tensor<3x2xf32>
}

// -----

// Bytes are split, enlarged and joined; what is joined is quantised before, to what all of it is quantised to.

// CHECK-LABEL: @joined
// CHECK: %[[PARTS:.*]], %[[OTHER:.*]] = "onnx.Split.v18"(%a) <{axis = 1 : i64, num_outputs = 2 : i64}> : (tensor<1x8x2x2xui8>)
// CHECK: %[[REAL:.*]] = "onnx.DequantizeLinear.v21"(%[[PARTS]], %s, %z)
// CHECK: %[[LARGE:.*]] = "onnx.Resize.v19"(%b, %f) <{{.*}}> : (tensor<1x4x1x1xui8>, tensor<4xf32>) -> tensor<1x4x2x2xui8>
// CHECK: %[[B:.*]] = "onnx.DequantizeLinear.v21"(%[[LARGE]], %t)
// CHECK: %[[PIECE:.*]] = "onnx.QuantizeLinear.v21"(%[[B]], %s, %z)
// CHECK: "onnx.Concat.v13"(%[[OTHER]], %[[PIECE]])
// CHECK: "onnx.Sigmoid.v13"(%[[REAL]])
func.func @joined(%a: tensor<1x8x2x2xui8>, %b: tensor<1x4x1x1xui8>) -> (tensor<1x8x2x2xui8>, tensor<1x4x2x2xf32>) {
  %s = weights.constant dense<2.500000e-01> : tensor<f32>
  %t = weights.constant dense<5.000000e-01> : tensor<f32>
  %z = weights.constant dense<0> : tensor<ui8>
  %f = weights.constant dense<[1.000000e+00, 1.000000e+00, 2.000000e+00, 2.000000e+00]> : tensor<4xf32>
  %0 = "onnx.DequantizeLinear.v21"(%a, %s, %z) : (tensor<1x8x2x2xui8>, tensor<f32>, tensor<ui8>) -> tensor<1x8x2x2xf32>
  %1, %2 = "onnx.Split.v18"(%0) <{axis = 1 : i64, num_outputs = 2 : i64}> : (tensor<1x8x2x2xf32>) -> (tensor<1x4x2x2xf32>, tensor<1x4x2x2xf32>)
  %3 = "onnx.DequantizeLinear.v21"(%b, %t) : (tensor<1x4x1x1xui8>, tensor<f32>) -> tensor<1x4x1x1xf32>
  %4 = "onnx.Resize.v19"(%3, %f) <{mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor", absent_inputs = array<i64: 1>}> : (tensor<1x4x1x1xf32>, tensor<4xf32>) -> tensor<1x4x2x2xf32>
  %5 = "onnx.Concat.v13"(%2, %4) <{axis = 1 : i64}> : (tensor<1x4x2x2xf32>, tensor<1x4x2x2xf32>) -> tensor<1x8x2x2xf32>
  %6 = "onnx.QuantizeLinear.v21"(%5, %s, %z) : (tensor<1x8x2x2xf32>, tensor<f32>, tensor<ui8>) -> tensor<1x8x2x2xui8>
  %7 = "onnx.Sigmoid.v13"(%1) : (tensor<1x4x2x2xf32>) -> tensor<1x4x2x2xf32>
  func.return %6, %7 : tensor<1x8x2x2xui8>, tensor<1x4x2x2xf32>
}

// -----

// What is not dequantised is joined as floats, and so is what something else reads, too.

// CHECK-LABEL: @floats
// CHECK: "onnx.Concat.v13"(%{{.*}}, %b)
// CHECK: "onnx.Concat.v13"(%{{.*}}, %{{.*}})
func.func @floats(%b: tensor<2x3xf32>, %c: tensor<2x3xui8>) -> (tensor<4x3xui8>, tensor<4x3xf32>, tensor<4x3xui8>) {
  %s = weights.constant dense<2.500000e-01> : tensor<f32>
  %z = weights.constant dense<0> : tensor<ui8>
  %0 = "onnx.DequantizeLinear.v21"(%c, %s) : (tensor<2x3xui8>, tensor<f32>) -> tensor<2x3xf32>
  %1 = "onnx.Concat.v13"(%0, %b) <{axis = 0 : i64}> : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
  %2 = "onnx.QuantizeLinear.v21"(%1, %s, %z) : (tensor<4x3xf32>, tensor<f32>, tensor<ui8>) -> tensor<4x3xui8>
  %3 = "onnx.Concat.v13"(%0, %0) <{axis = 0 : i64}> : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
  %4 = "onnx.QuantizeLinear.v21"(%3, %s, %z) : (tensor<4x3xf32>, tensor<f32>, tensor<ui8>) -> tensor<4x3xui8>
  func.return %2, %3, %4 : tensor<4x3xui8>, tensor<4x3xf32>, tensor<4x3xui8>
}

// -----

// Left alone: scales along what is summed over, scores of an attention in floats, movements that serve no product.

// CHECK-LABEL: @left
// CHECK: "onnx.MatMul.v13"(%0, %1) {remark = "a product of floats, though of dequantised bytes: its second operand has a scale for each position of an axis that is summed over"}
// CHECK: "onnx.MatMul.v13"(%0, %3) {remark = "a product of floats, though of dequantised bytes: its scores go through a softmax into a product of floats"}
// CHECK: "onnx.Transpose.v13"(%0)
func.func @left(%a: tensor<5x8xui8>, %b: tensor<8x5xi8>, %t: tensor<8xf32>) -> (tensor<5x5xf32>, tensor<5x5xf32>, tensor<8x5xf32>) {
  %s = weights.constant dense<2.500000e-01> : tensor<f32>
  %0 = "onnx.DequantizeLinear.v21"(%a, %s) : (tensor<5x8xui8>, tensor<f32>) -> tensor<5x8xf32>
  %1 = "onnx.DequantizeLinear.v21"(%b, %t) <{axis = 0 : i64}> : (tensor<8x5xi8>, tensor<8xf32>) -> tensor<8x5xf32>
  %2 = "onnx.MatMul.v13"(%0, %1) : (tensor<5x8xf32>, tensor<8x5xf32>) -> tensor<5x5xf32>
  %3 = "onnx.DequantizeLinear.v21"(%b, %s) : (tensor<8x5xi8>, tensor<f32>) -> tensor<8x5xf32>
  %4 = "onnx.MatMul.v13"(%0, %3) : (tensor<5x8xf32>, tensor<8x5xf32>) -> tensor<5x5xf32>
  %5 = "onnx.Softmax.v13"(%4) : (tensor<5x5xf32>) -> tensor<5x5xf32>
  %6 = "onnx.MatMul.v13"(%5, %5) : (tensor<5x5xf32>, tensor<5x5xf32>) -> tensor<5x5xf32>
  %7 = "onnx.Transpose.v13"(%0) : (tensor<5x8xf32>) -> tensor<8x5xf32>
  func.return %2, %6, %7 : tensor<5x5xf32>, tensor<5x5xf32>, tensor<8x5xf32>
}
