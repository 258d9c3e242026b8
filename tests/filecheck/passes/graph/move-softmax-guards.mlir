// RUN: vcc-opt %s -p move-softmax-guards | filecheck %s
// RUN: vcc-opt %s -p move-softmax-guards,apply-rules | filecheck %s --check-prefix FUSED

// The guard goes behind the product, and attention is found.
// CHECK-LABEL: func.func @masked
// CHECK:         %[[LOW:.*]] = graph.select %c, %{{.*}}, %{{.*}} : (tensor<1x3x5xi1>, tensor<f32>, tensor<f32>) -> tensor<1x3x5xf32>
// CHECK-NEXT:    %[[SUM:.*]] = graph.binary add %s, %[[LOW]]
// CHECK-NEXT:    %[[P:.*]] = graph.softmax %[[SUM]]
// CHECK-NEXT:    %[[Y:.*]] = graph.matmul %[[P]], %v
// CHECK-NEXT:    graph.cast %c
// CHECK-NEXT:    graph.reduce max
// CHECK:         graph.select %{{.*}}, %[[Y]], %{{.*}} : (tensor<1x3x1xi1>, tensor<2x3x4xf32>, tensor<f32>) -> tensor<2x3x4xf32>
// CHECK-NEXT:    func.return
// FUSED-LABEL: func.func @masked
// FUSED:         graph.attention
func.func @masked(%q: tensor<2x3x4xf32>, %k: tensor<2x4x5xf32>, %v: tensor<2x5x4xf32>, %c: tensor<1x3x5xi1>) -> tensor<2x3x4xf32> {
  %zero = weights.constant dense<0.0> : tensor<f32>
  %inf = weights.constant dense<"0x000080FF"> : tensor<f32>
  %m = graph.select %c, %zero, %inf : (tensor<1x3x5xi1>, tensor<f32>, tensor<f32>) -> tensor<1x3x5xf32>
  %s = graph.matmul %q, %k : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  %a = graph.binary add %s, %m : (tensor<2x3x5xf32>, tensor<1x3x5xf32>) -> tensor<2x3x5xf32>
  %p = graph.softmax %a {axis = 2 : i64} : (tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
  %n = graph.compare ne %p, %p : (tensor<2x3x5xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5xi1>
  %g = graph.select %n, %zero, %p : (tensor<2x3x5xi1>, tensor<f32>, tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
  %y = graph.matmul %g, %v : (tensor<2x3x5xf32>, tensor<2x5x4xf32>) -> tensor<2x3x4xf32>
  func.return %y : tensor<2x3x4xf32>
}

// A constant mask with a key in every row needs no guard.
// CHECK-LABEL: func.func @constant_mask
// CHECK:         %[[P:.*]] = graph.softmax
// CHECK-NEXT:    graph.matmul %[[P]], %v
// CHECK-NEXT:    func.return
func.func @constant_mask(%s: tensor<2x2x2xf32>, %v: tensor<2x2x4xf32>) -> tensor<2x2x4xf32> {
  %zero = weights.constant dense<0.0> : tensor<f32>
  %m = weights.constant dense<"0x00000000000080FF0000000000000000"> : tensor<2x2xf32>
  %a = graph.binary add %s, %m : (tensor<2x2x2xf32>, tensor<2x2xf32>) -> tensor<2x2x2xf32>
  %p = graph.softmax %a {axis = 2 : i64} : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %n = graph.compare ne %p, %p : (tensor<2x2x2xf32>, tensor<2x2x2xf32>) -> tensor<2x2x2xi1>
  %g = graph.select %n, %zero, %p : (tensor<2x2x2xi1>, tensor<f32>, tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %y = graph.matmul %g, %v : (tensor<2x2x2xf32>, tensor<2x2x4xf32>) -> tensor<2x2x4xf32>
  func.return %y : tensor<2x2x4xf32>
}

// Nor does a choice of finite numbers.
// CHECK-LABEL: func.func @finite_mask
// CHECK:         %[[P:.*]] = graph.softmax
// CHECK-NEXT:    graph.matmul %[[P]], %v
// CHECK-NEXT:    func.return
func.func @finite_mask(%s: tensor<2x2x2xf32>, %v: tensor<2x2x4xf32>, %c: tensor<2x2xi1>) -> tensor<2x2x4xf32> {
  %zero = weights.constant dense<0.0> : tensor<f32>
  %low = weights.constant dense<-3.4e38> : tensor<f32>
  %m = graph.select %c, %zero, %low : (tensor<2x2xi1>, tensor<f32>, tensor<f32>) -> tensor<2x2xf32>
  %a = graph.binary add %s, %m : (tensor<2x2x2xf32>, tensor<2x2xf32>) -> tensor<2x2x2xf32>
  %p = graph.softmax %a {axis = 2 : i64} : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %n = graph.compare ne %p, %p : (tensor<2x2x2xf32>, tensor<2x2x2xf32>) -> tensor<2x2x2xi1>
  %g = graph.select %n, %zero, %p : (tensor<2x2x2xi1>, tensor<f32>, tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %y = graph.matmul %g, %v : (tensor<2x2x2xf32>, tensor<2x2x4xf32>) -> tensor<2x2x4xf32>
  func.return %y : tensor<2x2x4xf32>
}

// A constant mask with an empty row, a mask of unknown numbers, and a guard with another user stay.
// CHECK-LABEL: func.func @empty_row
// CHECK:         graph.select
// CHECK-NEXT:    graph.matmul
func.func @empty_row(%s: tensor<2x2x2xf32>, %v: tensor<2x2x4xf32>) -> tensor<2x2x4xf32> {
  %zero = weights.constant dense<0.0> : tensor<f32>
  %m = weights.constant dense<"0x0000000000000000000080FF000080FF"> : tensor<2x2xf32>
  %a = graph.binary add %s, %m : (tensor<2x2x2xf32>, tensor<2x2xf32>) -> tensor<2x2x2xf32>
  %p = graph.softmax %a {axis = 2 : i64} : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %n = graph.compare ne %p, %p : (tensor<2x2x2xf32>, tensor<2x2x2xf32>) -> tensor<2x2x2xi1>
  %g = graph.select %n, %zero, %p : (tensor<2x2x2xi1>, tensor<f32>, tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %y = graph.matmul %g, %v : (tensor<2x2x2xf32>, tensor<2x2x4xf32>) -> tensor<2x2x4xf32>
  func.return %y : tensor<2x2x4xf32>
}

// CHECK-LABEL: func.func @numbers
// CHECK:         graph.select
// CHECK-NEXT:    graph.matmul
func.func @numbers(%s: tensor<2x2x2xf32>, %m: tensor<2x2xf32>, %v: tensor<2x2x4xf32>) -> tensor<2x2x4xf32> {
  %zero = weights.constant dense<0.0> : tensor<f32>
  %a = graph.binary add %s, %m : (tensor<2x2x2xf32>, tensor<2x2xf32>) -> tensor<2x2x2xf32>
  %p = graph.softmax %a {axis = 2 : i64} : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %n = graph.compare ne %p, %p : (tensor<2x2x2xf32>, tensor<2x2x2xf32>) -> tensor<2x2x2xi1>
  %g = graph.select %n, %zero, %p : (tensor<2x2x2xi1>, tensor<f32>, tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %y = graph.matmul %g, %v : (tensor<2x2x2xf32>, tensor<2x2x4xf32>) -> tensor<2x2x4xf32>
  func.return %y : tensor<2x2x4xf32>
}

// CHECK-LABEL: func.func @other_user
// CHECK:         graph.select
// CHECK-NEXT:    graph.matmul
func.func @other_user(%s: tensor<2x2x2xf32>, %v: tensor<2x2x4xf32>) -> (tensor<2x2x4xf32>, tensor<2x2x2xf32>) {
  %zero = weights.constant dense<0.0> : tensor<f32>
  %m = weights.constant dense<"0x00000000000080FF0000000000000000"> : tensor<2x2xf32>
  %a = graph.binary add %s, %m : (tensor<2x2x2xf32>, tensor<2x2xf32>) -> tensor<2x2x2xf32>
  %p = graph.softmax %a {axis = 2 : i64} : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %n = graph.compare ne %p, %p : (tensor<2x2x2xf32>, tensor<2x2x2xf32>) -> tensor<2x2x2xi1>
  %g = graph.select %n, %zero, %p : (tensor<2x2x2xi1>, tensor<f32>, tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %y = graph.matmul %g, %v : (tensor<2x2x2xf32>, tensor<2x2x4xf32>) -> tensor<2x2x4xf32>
  func.return %y, %g : tensor<2x2x4xf32>, tensor<2x2x2xf32>
}
