// RUN: vcc-opt %s -p 'merge-branches' --split-input-file | filecheck %s

// Both branches are computed, those of the inner If too; the operations of a branch keep their places.

// CHECK-LABEL: @nested
// CHECK-NEXT: %0 = "onnx.Relu.v14"(%x)
// CHECK-NEXT: %1 = "onnx.Neg.v13"(%x)
// CHECK-NEXT: %2 = "onnx.Abs.v13"(%x)
// CHECK: graph.select %d, %2, %3 {remark = "computes both branches of an If and selects"} : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT: graph.select %c, %0, %4
// CHECK-NEXT: func.return %5
func.func @nested(%c: tensor<i1>, %d: tensor<i1>, %x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "onnx.If.v19"(%c) ({
    %5 = "onnx.Neg.v13"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %6 = "onnx.If.v19"(%d) ({
      %7 = "onnx.Neg.v13"(%x) : (tensor<4xf32>) -> tensor<4xf32>
      "onnx.yield"(%7) : (tensor<4xf32>) -> ()
    }, {
      %8 = "onnx.Abs.v13"(%x) : (tensor<4xf32>) -> tensor<4xf32>
      "onnx.yield"(%8) : (tensor<4xf32>) -> ()
    }) : (tensor<i1>) -> tensor<4xf32>
    "onnx.yield"(%6) : (tensor<4xf32>) -> ()
  }, {
    %9 = "onnx.Relu.v14"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "onnx.yield"(%9) : (tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<4xf32>
  func.return %0 : tensor<4xf32>
}

// -----

// A branch without known sizes stays for lower-onnx to say which are missing.

// CHECK-LABEL: @open
// CHECK: onnx.If
func.func @open(%c: tensor<i1>, %x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = "onnx.If.v19"(%c) ({
    %1 = "onnx.Neg.v13"(%x) : (tensor<?xf32>) -> tensor<?xf32>
    "onnx.yield"(%1) : (tensor<?xf32>) -> ()
  }, {
    "onnx.yield"(%x) : (tensor<?xf32>) -> ()
  }) : (tensor<i1>) -> tensor<?xf32>
  func.return %0 : tensor<?xf32>
}
