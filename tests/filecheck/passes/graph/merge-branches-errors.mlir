// RUN: not vcc-opt %s -p 'merge-branches' 2>&1 | filecheck %s

// All come together, the last ones first.

// CHECK: error[VCC-E0121]: both branches of If would have to be computed, and pick (Gather) may trap
// CHECK-NEXT: node 'index' (If)
// CHECK: error[VCC-E0121]: both branches of If would have to be computed, and they give different types: f32[1] and f32[4]
// CHECK-NEXT: node 'sizes' (If)
func.func @main(%c: tensor<i1>, %x: tensor<4xf32>, %y: tensor<1xf32>, %z: tensor<2xf32>, %i: tensor<2xi64>) {
  %0 = "onnx.If.v19"(%c) ({
    "onnx.yield"(%x) : (tensor<4xf32>) -> ()
  }, {
    "onnx.yield"(%y) : (tensor<1xf32>) -> ()
  }) : (tensor<i1>) -> tensor<?xf32> loc("sizes")
  %1 = "onnx.If.v19"(%c) ({
    "onnx.yield"(%z) : (tensor<2xf32>) -> ()
  }, {
    %2 = "onnx.Gather.v13"(%x, %i) : (tensor<4xf32>, tensor<2xi64>) -> tensor<2xf32> loc("pick")
    "onnx.yield"(%2) : (tensor<2xf32>) -> ()
  }) : (tensor<i1>) -> tensor<2xf32> loc("index")
  func.return
}
