// RUN: vcc-opt %s -p inline --print-debuginfo | filecheck %s

// CHECK-NOT: func.call
// CHECK: func.func @main(%x: tensor<2xf32>
// CHECK:      %{{.*}} = weights.constant {values = {{\[\[}}"call/inner/k"]]} dense<1.000000e+00> : tensor<f32>
// CHECK-NEXT: "onnx.Add.v14"{{.*}}{values = {{\[\[}}"call/inner/t"]]}{{.*}} loc("call/inner/add")
// CHECK-NEXT: "onnx.Relu.v14"{{.*}}{values = {{\[\[}}"call/r", "y"]]}{{.*}} loc("call/relu")
// CHECK-NEXT: func.return
// CHECK-NOT: func.func
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = func.call @outer(%x) {values = [["y"]]} : (tensor<2xf32>) -> tensor<2xf32> loc("call")
  func.return %y : tensor<2xf32>
}

func.func private @outer(%a: tensor<2xf32>) -> tensor<2xf32> {
  %t = func.call @inner(%a) : (tensor<2xf32>) -> tensor<2xf32> loc("inner")
  %r = "onnx.Relu.v14"(%t) {values = [["r"]]} : (tensor<2xf32>) -> tensor<2xf32> loc("relu")
  func.return %r : tensor<2xf32>
}

func.func private @inner(%a: tensor<2xf32>) -> tensor<2xf32> {
  %k = weights.constant {values = [["k"]]} dense<1.0> : tensor<f32>
  %t = "onnx.Add.v14"(%a, %k) {values = [["t"]]} : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32> loc("add")
  func.return %t : tensor<2xf32>
}
