// RUN: vcc-opt %s -p lower-onnx | filecheck %s
// RUN: not --exit 3 vcc-opt %s -p 'lower-onnx{host_ops="error"}' 2>&1 | filecheck %s --check-prefix ERROR

// Operators without a kernel, and cases that a constraint excludes, are host calls with the reason.

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<2x3xi64>, %y: tensor<3x2xi64>, %axis: tensor<i64>) -> (tensor<2x3xi64>, tensor<2x2xi64>) {
  // CHECK-NEXT: %s = graph.host "CumSum" %x, %axis {values = {{\[\[}}"s"]], domain = "", version = 14 : i64, attributes = {reverse = 1 : i64}, inputs = array<i64: 0, 1>, outputs = array<i64: 0>, reason = "The axis must be constant"}
  // ERROR: error[VCC-E0122]: operator CumSum would run on the host: The axis must be constant
  // ERROR-NEXT: node 'sum' (CumSum): i64[2,3], i64[] -> i64[2,3]
  // ERROR-NEXT: help: compile with --host-ops=allow
  %s = "onnx.CumSum.v14"(%x, %axis) <{reverse = 1 : i64}> {values = [["s"]]} : (tensor<2x3xi64>, tensor<i64>) -> tensor<2x3xi64> loc("sum")
  // CHECK-NEXT: %m = graph.host "MatMul" %x, %y {{.*}}reason = "The first input must be a float tensor"
  // ERROR: error[VCC-E0122]: operator MatMul would run on the host: The first input must be a float tensor
  %m = "onnx.MatMul.v13"(%x, %y) : (tensor<2x3xi64>, tensor<3x2xi64>) -> tensor<2x2xi64> loc("product")
  func.return %s, %m : tensor<2x3xi64>, tensor<2x2xi64>
}

// Of version 10 the evaluator would take the newest one's half pixel: a newer version says what it meant.
// CHECK-LABEL: func.func @regions
func.func @regions(%x: tensor<1x1x4x4xf32>, %boxes: tensor<2x4xf32>, %images: tensor<2xi64>) -> tensor<2x1x1x1xf32> {
  // CHECK-NEXT: graph.host "RoiAlign" {{.*}}version = 16 : i64, attributes = {mode = "max", coordinate_transformation_mode = "output_half_pixel"}
  %y = "onnx.RoiAlign.v10"(%x, %boxes, %images) <{mode = "max"}> : (tensor<1x1x4x4xf32>, tensor<2x4xf32>, tensor<2xi64>) -> tensor<2x1x1x1xf32> loc("regions")
  func.return %y : tensor<2x1x1x1xf32>
}
