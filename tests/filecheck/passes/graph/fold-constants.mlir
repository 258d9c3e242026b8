// RUN: vcc-opt %s -p fold-constants --print-debuginfo | filecheck %s

// CHECK-LABEL: @arithmetic
// CHECK-NEXT: weights.constant {values = {{\[\[}}"sum"]]} dense<[4.000000e+00, 6.000000e+00]> : tensor<2xf32> loc("add")
// CHECK-NEXT: func.return
func.func @arithmetic() -> tensor<2xf32> {
  %a = weights.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %b = weights.constant dense<[3.0, 4.0]> : tensor<2xf32>
  %0 = "onnx.Add.v14"(%a, %b) {values = [["sum"]]} : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32> loc("add")
  func.return %0 : tensor<2xf32>
}

// The operand is no constant, but its type is all that Shape and Size ask.
// CHECK-LABEL: @shape
// CHECK-DAG: dense<[2, 3]> : tensor<2xi64>
// CHECK-DAG: dense<6> : tensor<i64>
func.func @shape(%x: tensor<2x3xf32>) -> (!onnx.unknown, !onnx.unknown) {
  %0 = "onnx.Shape.v15"(%x) : (tensor<2x3xf32>) -> !onnx.unknown
  %1 = "onnx.Size.v13"(%x) : (tensor<2x3xf32>) -> !onnx.unknown
  func.return %0, %1 : !onnx.unknown, !onnx.unknown
}

// CHECK-LABEL: @several_results
// CHECK-DAG: dense<[1, 2]> : tensor<2xi64>
// CHECK-DAG: dense<[3, 4]> : tensor<2xi64>
func.func @several_results() -> (!onnx.unknown, !onnx.unknown) {
  %a = weights.constant dense<[1, 2, 3, 4]> : tensor<4xi64>
  %0, %1 = "onnx.Split.v11"(%a) <{split = array<i64: 2, 2>}> : (tensor<4xi64>) -> (!onnx.unknown, !onnx.unknown)
  func.return %0, %1 : !onnx.unknown, !onnx.unknown
}

// The operand takes over the value's name.
// CHECK-LABEL: @identity
// CHECK-NEXT: "onnx.Relu.v14"(%x) {values = {{\[\[}}"r", "i"]]}
// CHECK-NEXT: func.return
func.func @identity(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = "onnx.Relu.v14"(%x) {values = [["r"]]} : (tensor<2xf32>) -> tensor<2xf32>
  %1 = "onnx.Identity.v14"(%0) {values = [["i"]]} : (tensor<2xf32>) -> tensor<2xf32>
  func.return %1 : tensor<2xf32>
}

// CHECK-LABEL: @dropout
// CHECK-NEXT: %training = weights.constant
// CHECK-NEXT: %{{.*}} = "onnx.Dropout.v13"
// CHECK-NEXT: func.return %x, %{{.*}} : tensor<2xf32>, tensor<2xf32>
func.func @dropout(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %0 = "onnx.Dropout.v13"(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %training = weights.constant dense<true> : tensor<i1>
  %1 = "onnx.Dropout.v13"(%x, %training) <{absent_inputs = array<i64: 1>}> : (tensor<2xf32>, tensor<i1>) -> tensor<2xf32>
  func.return %0, %1 : tensor<2xf32>, tensor<2xf32>
}

// CHECK-LABEL: @branch
// CHECK-NEXT: "onnx.Neg.v13"
// CHECK-NEXT: func.return
func.func @branch(%x: tensor<2xf32>) -> tensor<2xf32> {
  %c = weights.constant dense<false> : tensor<i1>
  %0 = "onnx.If.v16"(%c) ({
    %1 = "onnx.Neg.v13"(%x) : (tensor<2xf32>) -> tensor<2xf32>
    onnx.yield %1 : tensor<2xf32>
  }, {
    onnx.yield %x : tensor<2xf32>
  }) : (tensor<i1>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}

// Random numbers are drawn when the program runs.
// CHECK-LABEL: @random
// CHECK-NEXT: "onnx.RandomUniform.v1"
func.func @random() -> tensor<2xf32> {
  %0 = "onnx.RandomUniform.v1"() <{shape = array<i64: 2>}> : () -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}

// One size of a shape that is open elsewhere.
// CHECK-LABEL: @known_size
// CHECK-NEXT: weights.constant dense<3> : tensor<i64>
// CHECK-NEXT: func.return
func.func @known_size(%x: tensor<?x3x4xf32>) -> tensor<i64> {
  %one = weights.constant dense<1> : tensor<i64>
  %shape = "onnx.Shape.v13"(%x) : (tensor<?x3x4xf32>) -> tensor<3xi64>
  %0 = "onnx.Gather.v13"(%shape, %one) : (tensor<3xi64>, tensor<i64>) -> tensor<i64>
  func.return %0 : tensor<i64>
}

// Each operator means what it meant in its own opset: axes as an attribute, and all axes from the softmax's on.
// CHECK-LABEL: @of_old
// CHECK-NEXT: dense<5> : tensor<1xi64>
// CHECK: "onnx.Softmax.v11"
func.func @of_old() -> (tensor<1xi64>, tensor<1x2x2xf32>) {
  %five = weights.constant dense<5> : tensor<i64>
  %0 = "onnx.Unsqueeze.v11"(%five) <{axes = array<i64: 0>}> : (tensor<i64>) -> tensor<1xi64>
  %x = weights.constant dense<[[[1.0, 2.0], [3.0, 4.0]]]> : tensor<1x2x2xf32>
  %1 = "onnx.Softmax.v11"(%x) : (tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  func.return %0, %1 : tensor<1xi64>, tensor<1x2x2xf32>
}

// The evaluator normalises by the batch's own statistics here, which is what training does.
// CHECK-LABEL: @normalised_of_old
// CHECK: "onnx.BatchNormalization.v9"
func.func @normalised_of_old() -> tensor<2x1xf32> {
  %x = weights.constant dense<[[1.0], [2.0]]> : tensor<2x1xf32>
  %one = weights.constant dense<1.0> : tensor<1xf32>
  %y = "onnx.BatchNormalization.v9"(%x, %one, %one, %one, %one) : (tensor<2x1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<2x1xf32>
  func.return %y : tensor<2x1xf32>
}

// Of older dequantisations the evaluator knows nothing, but they mean what later ones do.
// CHECK-LABEL: @dequantised
// CHECK-NEXT: dense<[5.000000e-01, 2.000000e+00]> : tensor<2xf32>
func.func @dequantised() -> tensor<2xf32> {
  %x = weights.constant dense<[1, 2]> : tensor<2xi32>
  %s = weights.constant dense<[5.000000e-01, 1.000000e+00]> : tensor<2xf32>
  %z = weights.constant dense<[0, 0]> : tensor<2xi32>
  %0 = "onnx.DequantizeLinear.v13"(%x, %s, %z) <{axis = 0 : i64}> : (tensor<2xi32>, tensor<2xf32>, tensor<2xi32>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}
