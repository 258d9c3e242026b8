// RUN: vcc-opt %s -p infer-shapes | filecheck %s

// CHECK: @conv(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) -> tensor<1x4x6x6xf32>
func.func @conv(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) -> !onnx.unknown {
  // CHECK: "onnx.Conv.v11"{{.*}} -> tensor<1x4x6x6xf32>
  %0 = "onnx.Conv.v11"(%x, %w) : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> !onnx.unknown
  func.return %0 : !onnx.unknown
}

// Shape arithmetic is followed: the new shape is [2, 12].
// CHECK: @flatten(%x: tensor<2x3x4xf32>) -> tensor<2x12xf32>
func.func @flatten(%x: tensor<2x3x4xf32>) -> !onnx.unknown {
  %zero = weights.constant dense<0> : tensor<1xi64>
  %one = weights.constant dense<1> : tensor<1xi64>
  %rest = weights.constant dense<-1> : tensor<1xi64>
  %shape = "onnx.Shape.v13"(%x) : (tensor<2x3x4xf32>) -> !onnx.unknown
  %batch = "onnx.Slice.v13"(%shape, %zero, %one) : (!onnx.unknown, tensor<1xi64>, tensor<1xi64>) -> !onnx.unknown
  %new = "onnx.Concat.v13"(%batch, %rest) <{axis = 0 : i64}> : (!onnx.unknown, tensor<1xi64>) -> !onnx.unknown
  %y = "onnx.Reshape.v14"(%x, %new) : (tensor<2x3x4xf32>, !onnx.unknown) -> !onnx.unknown
  func.return %y : !onnx.unknown
}

// What is declared is kept where it says more than inference finds.
// CHECK: @declared(%x: tensor<?xf32>) -> tensor<7xf32>
func.func @declared(%x: tensor<?xf32>) -> tensor<7xf32> {
  // CHECK: "onnx.Relu.v14"(%x) : (tensor<?xf32>) -> tensor<7xf32>
  %0 = "onnx.Relu.v14"(%x) : (tensor<?xf32>) -> tensor<7xf32>
  func.return %0 : tensor<7xf32>
}

// The branches agree in all but one dimension.
// CHECK: @branches({{.*}}) -> tensor<?x4xf32>
func.func @branches(%c: tensor<i1>, %a: tensor<2x4xf32>, %b: tensor<3x4xf32>) -> !onnx.unknown {
  %0 = "onnx.If.v16"(%c) ({
    %1 = "onnx.Relu.v14"(%a) : (tensor<2x4xf32>) -> !onnx.unknown
    onnx.yield %1 : !onnx.unknown
  }, {
    %2 = "onnx.Relu.v14"(%b) : (tensor<3x4xf32>) -> !onnx.unknown
    onnx.yield %2 : !onnx.unknown
  }) : (tensor<i1>) -> !onnx.unknown
  func.return %0 : !onnx.unknown
}

// A state that keeps its shape, one that grows, and a stacked output.
// CHECK: @loop({{.*}}) -> (tensor<2xf32>, tensor<*xf32>, tensor<?x2xf32>)
func.func @loop(%n: tensor<i64>, %c: tensor<i1>, %a: tensor<2xf32>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown) {
  %0, %1, %2 = "onnx.Loop.v16"(%n, %c, %a, %a) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %keep: !onnx.unknown, %grow: !onnx.unknown):
    %more = "onnx.Concat.v13"(%grow, %keep) <{axis = 0 : i64}> : (!onnx.unknown, !onnx.unknown) -> !onnx.unknown
    %out = "onnx.Neg.v13"(%keep) : (!onnx.unknown) -> !onnx.unknown
    onnx.yield %go, %keep, %more, %out : tensor<i1>, !onnx.unknown, !onnx.unknown, !onnx.unknown
  }) : (tensor<i64>, tensor<i1>, tensor<2xf32>, tensor<2xf32>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown)
  func.return %0, %1, %2 : !onnx.unknown, !onnx.unknown, !onnx.unknown
}

// The scanned axis is cut off the body's argument and put back on its output.
// CHECK: @scan({{.*}}) -> (tensor<4xf32>, tensor<5x4xf32>)
func.func @scan(%init: tensor<4xf32>, %xs: tensor<5x4xf32>) -> (!onnx.unknown, !onnx.unknown) {
  %0, %1 = "onnx.Scan.v16"(%init, %xs) <{num_scan_inputs = 1 : i64}> ({
  // CHECK: ^bb{{.*}}(%state: tensor<4xf32>, %x: tensor<4xf32>)
  ^bb0(%state: !onnx.unknown, %x: !onnx.unknown):
    %sum = "onnx.Add.v14"(%state, %x) : (!onnx.unknown, !onnx.unknown) -> !onnx.unknown
    onnx.yield %sum, %sum : !onnx.unknown, !onnx.unknown
  }) : (tensor<4xf32>, tensor<5x4xf32>) -> (!onnx.unknown, !onnx.unknown)
  func.return %0, %1 : !onnx.unknown, !onnx.unknown
}

// Nothing is known of operators without a schema, and nothing after them is invented.
// CHECK: @custom({{.*}}) -> !onnx.unknown
func.func @custom(%x: tensor<2xf32>) -> !onnx.unknown {
  %0 = "onnx.custom"(%x) <{domain = "com.acme", op_type = "Foo"}> : (tensor<2xf32>) -> !onnx.unknown
  %1 = "onnx.Relu.v14"(%0) : (!onnx.unknown) -> !onnx.unknown
  func.return %1 : !onnx.unknown
}

// With an open batch size the rest of the shape is still known.
// CHECK: @open_batch({{.*}}) -> (tensor<?x3x4xf32>, tensor<?x12xf32>, tensor<?x7xi64>)
func.func @open_batch(%x: tensor<?x3x4xf32>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown) {
  %zero = weights.constant dense<0> : tensor<i64>
  %axes = weights.constant dense<0> : tensor<1xi64>
  %rest = weights.constant dense<12> : tensor<1xi64>
  %seven = weights.constant dense<7> : tensor<1xi64>
  %shape = "onnx.Shape.v13"(%x) : (tensor<?x3x4xf32>) -> !onnx.unknown
  %same = "onnx.Reshape.v14"(%x, %shape) : (tensor<?x3x4xf32>, !onnx.unknown) -> !onnx.unknown
  %scalar = "onnx.Gather.v13"(%shape, %zero) : (!onnx.unknown, tensor<i64>) -> !onnx.unknown
  %batch = "onnx.Unsqueeze.v13"(%scalar, %axes) : (!onnx.unknown, tensor<1xi64>) -> !onnx.unknown
  %flat = "onnx.Concat.v13"(%batch, %rest) <{axis = 0 : i64}> : (!onnx.unknown, tensor<1xi64>) -> !onnx.unknown
  %y = "onnx.Reshape.v14"(%x, %flat) : (tensor<?x3x4xf32>, !onnx.unknown) -> !onnx.unknown
  %wide = "onnx.Concat.v13"(%batch, %seven) <{axis = 0 : i64}> : (!onnx.unknown, tensor<1xi64>) -> !onnx.unknown
  %filled = "onnx.ConstantOfShape.v9"(%wide) <{value = dense<0> : tensor<1xi64>}> : (!onnx.unknown) -> !onnx.unknown
  func.return %same, %y, %filled : !onnx.unknown, !onnx.unknown, !onnx.unknown
}

// Operators for which onnx has no inference, in this version or at all.
// CHECK: @uninferred({{.*}}) -> (tensor<2x4xi1>, tensor<2x4x3xf32>)
func.func @uninferred(%a: tensor<2x1xf32>, %b: tensor<4xf32>, %x: tensor<2x4x3xf32>) -> (!onnx.unknown, !onnx.unknown) {
  %0 = "onnx.GreaterOrEqual.v12"(%a, %b) : (tensor<2x1xf32>, tensor<4xf32>) -> !onnx.unknown
  %1 = "onnx.MeanVarianceNormalization.v13"(%x) <{axes = array<i64: 0, 2>}> : (tensor<2x4x3xf32>) -> !onnx.unknown
  func.return %0, %1 : !onnx.unknown, !onnx.unknown
}
