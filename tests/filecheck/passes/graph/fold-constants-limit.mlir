// RUN: vcc-opt %s -p 'fold-constants{max-megabytes=1}' | filecheck %s

// CHECK-LABEL: @too_large
// CHECK: "onnx.Expand.v13"
func.func @too_large() -> tensor<1024x1024xf32> {
  %a = weights.constant dense<1.0> : tensor<f32>
  %shape = weights.constant dense<1024> : tensor<2xi64>
  %0 = "onnx.Expand.v13"(%a, %shape) : (tensor<f32>, tensor<2xi64>) -> tensor<1024x1024xf32>
  func.return %0 : tensor<1024x1024xf32>
}

// CHECK-LABEL: @fits
// CHECK-NEXT: weights.constant #weights.blob<"{{.*}}"> : tensor<256x1024xf32>
func.func @fits() -> tensor<256x1024xf32> {
  %a = weights.constant dense<1.0> : tensor<f32>
  %shape = weights.constant dense<[256, 1024]> : tensor<2xi64>
  %0 = "onnx.Expand.v13"(%a, %shape) : (tensor<f32>, tensor<2xi64>) -> tensor<256x1024xf32>
  func.return %0 : tensor<256x1024xf32>
}
