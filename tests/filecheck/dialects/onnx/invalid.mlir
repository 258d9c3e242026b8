// RUN: vcc-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

func.func @f(%x: tensor<2xf32>) {
  // CHECK: node 'act' (Relu, opset 14): it has no attribute 'slope'
  %0 = "onnx.Relu.v14"(%x) <{slope = 1.0 : f32}> : (tensor<2xf32>) -> tensor<2xf32> loc("act")
  func.return
}

// -----

func.func @f(%x: tensor<2xf32>, %i: tensor<2xi64>) {
  // CHECK: node 'sum' (Add, opset 14): input 1 ('B') is tensor(int64) but input 0 ('A') is tensor(float), and both are T
  %0 = "onnx.Add.v14"(%x, %i) : (tensor<2xf32>, tensor<2xi64>) -> tensor<2xf32> loc("sum")
  func.return
}

// -----

func.func @f(%x: tensor<2xf32>) {
  // CHECK: node 'join' (Concat, opset 13): it lacks the required attribute 'axis'
  %0 = "onnx.Concat.v13"(%x) : (tensor<2xf32>) -> tensor<2xf32> loc("join")
  func.return
}

// -----

// CHECK: Operation onnx.Relu.v3 is not registered
func.func @f(%x: tensor<2xf32>) {
  %0 = "onnx.Relu.v3"(%x) : (tensor<2xf32>) -> tensor<2xf32>
  func.return
}

// -----

// CHECK: a constant needs a static shape
%0 = weights.constant #weights.blob<"0123"> : tensor<?xf32>
