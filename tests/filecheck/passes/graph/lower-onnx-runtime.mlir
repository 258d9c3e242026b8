// RUN: vcc-opt %s -p 'infer-shapes,lower-onnx' | filecheck %s
// Operators of ONNX Runtime that no function of standard ones stands for. The input of all steps is quantised at once; its
// weights become signed, and the zero points of both are kept.

// CHECK-LABEL: func.func @lstm
// CHECK: weights.constant dense<-352> : tensor<1x16xi32>
// CHECK: weights.constant dense<-10> : tensor<1xi32>
// CHECK: graph.reduce min %{{.*}} {axes = array<i64: 0, 1>
// CHECK: graph.matmul %{{.*}}, %{{.*}} : (tensor<15x3xui8>, tensor<3x16xi8>)
// CHECK: graph.recurrence lstm %{{.*}}, %{{.*}} : tensor<5x3x16xf32>, tensor<1x4x16xi8> scale %{{.*}} : tensor<1x16xf32> sums %1 : tensor<1x16xi32> zero %2 : tensor<1xi32> {reverse = true} -> tensor<6x1x3x4xf32>
// CHECK: func.return {{.*}} : tensor<5x1x3x4xf32>, tensor<1x3x4xf32>
func.func @lstm(%x: tensor<5x3x3xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %w = weights.constant dense<20> : tensor<1x3x16xui8>
  %r = weights.constant dense<30> : tensor<1x4x16xui8>
  %s = weights.constant dense<0.5> : tensor<1xf32>
  %z = weights.constant dense<118> : tensor<1xui8>
  %y, %h = "onnx.custom"(%x, %w, %r, %s, %z, %s, %z) <{domain = "com.microsoft", op_type = "DynamicQuantizeLSTM",
    opset = 1 : i64, attributes = {hidden_size = 4 : si64, direction = "reverse"}, absent_inputs = array<i64: 3, 4, 5, 6, 7>}>
    : (tensor<5x3x3xf32>, tensor<1x3x16xui8>, tensor<1x4x16xui8>, tensor<1xf32>, tensor<1xui8>, tensor<1xf32>, tensor<1xui8>)
    -> (tensor<*xf32>, tensor<*xf32>)
  func.return %y, %h : tensor<*xf32>, tensor<*xf32>
}
