// RUN: vcc-opt %s -p apply-rules{files=canonical,movement,attention} | filecheck %s

// The keys are read as they were before their transposition; a division is a scale.
// CHECK-LABEL: func.func @masked
// CHECK-NEXT:    graph.attention %q, %k, %v, %mask {scale = 5.000000e-01 : f32}
// CHECK-NEXT:    func.return
func.func @masked(%q: tensor<2x3x4xf32>, %k: tensor<2x5x4xf32>, %v: tensor<2x5x6xf32>, %mask: tensor<3x5xf32>) -> tensor<2x3x6xf32> {
  %two = weights.constant dense<2.0> : tensor<f32>
  %0 = graph.transpose %k {perm = array<i64: 0, 2, 1>} : (tensor<2x5x4xf32>) -> tensor<2x4x5xf32>
  %1 = graph.matmul %q, %0 : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  %2 = graph.binary div %1, %two : (tensor<2x3x5xf32>, tensor<f32>) -> tensor<2x3x5xf32>
  %3 = graph.binary add %2, %mask : (tensor<2x3x5xf32>, tensor<3x5xf32>) -> tensor<2x3x5xf32>
  %4 = graph.softmax %3 {axis = 2 : i64} : (tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
  %5 = graph.matmul %4, %v : (tensor<2x3x5xf32>, tensor<2x5x6xf32>) -> tensor<2x3x6xf32>
  func.return %5 : tensor<2x3x6xf32>
}

// CHECK-LABEL: func.func @scaled_query
// CHECK-NEXT:    graph.attention %q, %k, %v {scale = 2.500000e-01 : f32}
// CHECK-NEXT:    func.return
func.func @scaled_query(%q: tensor<3x4xf32>, %k: tensor<5x4xf32>, %v: tensor<5x6xf32>) -> tensor<3x6xf32> {
  %scale = weights.constant dense<0.25> : tensor<1xf32>
  %0 = graph.transpose %k {perm = array<i64: 1, 0>} : (tensor<5x4xf32>) -> tensor<4x5xf32>
  %s = graph.binary mul %q, %scale : (tensor<3x4xf32>, tensor<1xf32>) -> tensor<3x4xf32>
  %1 = graph.matmul %s, %0 : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
  %4 = graph.softmax %1 {axis = 1 : i64} : (tensor<3x5xf32>) -> tensor<3x5xf32>
  %5 = graph.matmul %4, %v : (tensor<3x5xf32>, tensor<5x6xf32>) -> tensor<3x6xf32>
  func.return %5 : tensor<3x6xf32>
}

// Who wants to see the weights of the values keeps them.
// CHECK-LABEL: func.func @weights_are_used
// CHECK-NOT:     graph.attention
// CHECK:         func.return
func.func @weights_are_used(%q: tensor<3x4xf32>, %k: tensor<4x5xf32>, %v: tensor<5x6xf32>) -> (tensor<3x6xf32>, tensor<3x5xf32>) {
  %1 = graph.matmul %q, %k : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
  %4 = graph.softmax %1 {axis = 1 : i64} : (tensor<3x5xf32>) -> tensor<3x5xf32>
  %5 = graph.matmul %4, %v : (tensor<3x5xf32>, tensor<5x6xf32>) -> tensor<3x6xf32>
  func.return %5, %4 : tensor<3x6xf32>, tensor<3x5xf32>
}

// CHECK-LABEL: func.func @wrong_axis
// CHECK-NOT:     graph.attention
// CHECK:         func.return
func.func @wrong_axis(%q: tensor<3x4xf32>, %k: tensor<4x5xf32>, %v: tensor<5x6xf32>) -> tensor<3x6xf32> {
  %1 = graph.matmul %q, %k : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
  %4 = graph.softmax %1 {axis = 0 : i64} : (tensor<3x5xf32>) -> tensor<3x5xf32>
  %5 = graph.matmul %4, %v : (tensor<3x5xf32>, tensor<5x6xf32>) -> tensor<3x6xf32>
  func.return %5 : tensor<3x6xf32>
}

// Keras computes k x q^T and transposes the scores, with axes of size one that come and go.
// CHECK-LABEL: func.func @transposed_scores
// CHECK-NEXT:    graph.attention %q, %k, %v {scale = 1.000000e+00 : f32}
// CHECK-NEXT:    func.return
func.func @transposed_scores(%q: tensor<2x3x4xf32>, %k: tensor<2x5x4xf32>, %v: tensor<2x5x6xf32>) -> tensor<2x3x6xf32> {
  %0 = graph.transpose %q {perm = array<i64: 0, 2, 1>} : (tensor<2x3x4xf32>) -> tensor<2x4x3xf32>
  %1 = graph.matmul %k, %0 : (tensor<2x5x4xf32>, tensor<2x4x3xf32>) -> tensor<2x5x3xf32>
  %2 = graph.reshape %1 : (tensor<2x5x3xf32>) -> tensor<1x2x5x3xf32>
  %3 = graph.transpose %2 {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x2x5x3xf32>) -> tensor<1x2x3x5xf32>
  %4 = graph.softmax %3 {axis = 3 : i64} : (tensor<1x2x3x5xf32>) -> tensor<1x2x3x5xf32>
  %5 = graph.reshape %4 : (tensor<1x2x3x5xf32>) -> tensor<2x3x5xf32>
  %6 = graph.matmul %5, %v : (tensor<2x3x5xf32>, tensor<2x5x6xf32>) -> tensor<2x3x6xf32>
  func.return %6 : tensor<2x3x6xf32>
}
