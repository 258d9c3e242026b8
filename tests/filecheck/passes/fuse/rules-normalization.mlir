// RUN: vcc-opt %s -p apply-rules{files=canonical,normalization} | filecheck %s

// CHECK-LABEL: func.func @layer_norm
// CHECK:         graph.layer_norm %x, %scale, {{%.*}} {{{.*}}axis = 2 : i64, epsilon = 1.000000e-05 : f32{{.*}}}
// CHECK-NEXT:    func.return
func.func @layer_norm(%x: tensor<2x3x8xf32>, %scale: tensor<8xf32>, %bias: tensor<1x1x8xf32>) -> tensor<2x3x8xf32> {
  %n = weights.constant dense<0.125> : tensor<f32>
  %epsilon = weights.constant dense<1.000000e-05> : tensor<f32>
  %0 = graph.reduce add %x {axes = array<i64: 2>, keepdims = true} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %1 = graph.binary mul %0, %n : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %2 = graph.binary sub %x, %1 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %3 = graph.binary mul %2, %2 : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %4 = graph.reduce add %3 {axes = array<i64: 2>, keepdims = true} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %5 = graph.binary mul %4, %n : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %6 = graph.binary add %5, %epsilon : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %7 = graph.unary sqrt %6 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %8 = graph.binary div %2, %7 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %9 = graph.binary mul %8, %scale : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  %10 = graph.binary add %9, %bias : (tensor<2x3x8xf32>, tensor<1x1x8xf32>) -> tensor<2x3x8xf32>
  func.return %10 : tensor<2x3x8xf32>
}

// The axes are not the last ones.
// CHECK-LABEL: func.func @wrong_axis
// CHECK-NOT:     graph.rms_norm
// CHECK:         func.return
func.func @wrong_axis(%x: tensor<2x8x3xf32>) -> tensor<2x8x3xf32> {
  %n = weights.constant dense<0.125> : tensor<f32>
  %epsilon = weights.constant dense<1.000000e-05> : tensor<f32>
  %3 = graph.binary mul %x, %x : (tensor<2x8x3xf32>, tensor<2x8x3xf32>) -> tensor<2x8x3xf32>
  %4 = graph.reduce add %3 {axes = array<i64: 1>, keepdims = true} : (tensor<2x8x3xf32>) -> tensor<2x1x3xf32>
  %5 = graph.binary mul %4, %n : (tensor<2x1x3xf32>, tensor<f32>) -> tensor<2x1x3xf32>
  %6 = graph.binary add %5, %epsilon : (tensor<2x1x3xf32>, tensor<f32>) -> tensor<2x1x3xf32>
  %7 = graph.unary rsqrt %6 : (tensor<2x1x3xf32>) -> tensor<2x1x3xf32>
  %8 = graph.binary mul %x, %7 : (tensor<2x8x3xf32>, tensor<2x1x3xf32>) -> tensor<2x8x3xf32>
  func.return %8 : tensor<2x8x3xf32>
}

// The sum is divided by another number than that of the elements.
// CHECK-LABEL: func.func @wrong_count
// CHECK-NOT:     graph.rms_norm
// CHECK:         func.return
func.func @wrong_count(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %n = weights.constant dense<0.25> : tensor<f32>
  %epsilon = weights.constant dense<1.000000e-05> : tensor<f32>
  %3 = graph.binary mul %x, %x : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %4 = graph.reduce add %3 {axes = array<i64: 1>, keepdims = true} : (tensor<2x8xf32>) -> tensor<2x1xf32>
  %5 = graph.binary mul %4, %n : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %6 = graph.binary add %5, %epsilon : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %7 = graph.unary rsqrt %6 : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %8 = graph.binary mul %x, %7 : (tensor<2x8xf32>, tensor<2x1xf32>) -> tensor<2x8xf32>
  func.return %8 : tensor<2x8xf32>
}

// CHECK-LABEL: func.func @rms_norm
// CHECK-NEXT:    graph.rms_norm %x, %scale {axis = 1 : i64, epsilon = 1.000000e-06 : f32}
// CHECK-NEXT:    func.return
func.func @rms_norm(%x: tensor<2x8xf32>, %scale: tensor<8xf32>) -> tensor<2x8xf32> {
  %n = weights.constant dense<8.0> : tensor<f32>
  %two = weights.constant dense<2.0> : tensor<f32>
  %epsilon = weights.constant dense<1.000000e-06> : tensor<f32>
  %3 = graph.binary pow %x, %two : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %4 = graph.reduce add %3 {axes = array<i64: 1>, keepdims = true} : (tensor<2x8xf32>) -> tensor<2x1xf32>
  %5 = graph.binary div %4, %n : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %6 = graph.binary add %5, %epsilon : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %7 = graph.unary sqrt %6 : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %r = graph.unary recip %7 : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %8 = graph.binary mul %x, %r : (tensor<2x8xf32>, tensor<2x1xf32>) -> tensor<2x8xf32>
  %9 = graph.binary mul %scale, %8 : (tensor<8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  func.return %9 : tensor<2x8xf32>
}

// CHECK-LABEL: func.func @softmax
// CHECK-NEXT:    graph.softmax %x {axis = 1 : i64}
// CHECK-NEXT:    func.return
func.func @softmax(%x: tensor<2x8x3xf32>) -> tensor<2x8x3xf32> {
  %0 = graph.reduce max %x {axes = array<i64: 1>, keepdims = true} : (tensor<2x8x3xf32>) -> tensor<2x1x3xf32>
  %1 = graph.binary sub %x, %0 : (tensor<2x8x3xf32>, tensor<2x1x3xf32>) -> tensor<2x8x3xf32>
  %2 = graph.unary exp %1 : (tensor<2x8x3xf32>) -> tensor<2x8x3xf32>
  %3 = graph.reduce add %2 {axes = array<i64: 1>, keepdims = true} : (tensor<2x8x3xf32>) -> tensor<2x1x3xf32>
  %4 = graph.binary div %2, %3 : (tensor<2x8x3xf32>, tensor<2x1x3xf32>) -> tensor<2x8x3xf32>
  func.return %4 : tensor<2x8x3xf32>
}

// The maximum is of one axis, the sum of another.
// CHECK-LABEL: func.func @two_axes
// CHECK-NOT:     graph.softmax
// CHECK:         func.return
func.func @two_axes(%x: tensor<2x8x3xf32>) -> tensor<2x8x3xf32> {
  %2 = graph.unary exp %x : (tensor<2x8x3xf32>) -> tensor<2x8x3xf32>
  %3 = graph.reduce add %2 {axes = array<i64: 1, 2>, keepdims = true} : (tensor<2x8x3xf32>) -> tensor<2x1x1xf32>
  %4 = graph.binary div %2, %3 : (tensor<2x8x3xf32>, tensor<2x1x1xf32>) -> tensor<2x8x3xf32>
  func.return %4 : tensor<2x8x3xf32>
}

// CHECK-LABEL: func.func @l2_norm
// CHECK:         [[M:%.*]] = graph.binary max {{.*}}tensor<2x1xf32>
// CHECK-NEXT:    [[R:%.*]] = graph.unary rsqrt [[M]]
// CHECK-NEXT:    graph.binary mul %x, [[R]]
func.func @l2_norm(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %epsilon = weights.constant dense<1.000000e-12> : tensor<f32>
  %0 = graph.unary abs %x : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %1 = graph.binary mul %0, %0 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %2 = graph.reduce add %1 {axes = array<i64: 1>, keepdims = true} : (tensor<2x8xf32>) -> tensor<2x1xf32>
  %3 = graph.unary sqrt %2 : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %4 = graph.binary max %3, %epsilon : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %5 = graph.binary div %x, %4 : (tensor<2x8xf32>, tensor<2x1xf32>) -> tensor<2x8xf32>
  func.return %5 : tensor<2x8xf32>
}

// JAX: reduced axes come back by reshapes.
// CHECK-LABEL: func.func @jax_softmax
// CHECK-NEXT:    graph.softmax %x {axis = 1 : i64}
// CHECK-NEXT:    func.return
func.func @jax_softmax(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %0 = graph.reduce max %x {axes = array<i64: 1>, keepdims = false} : (tensor<2x8xf32>) -> tensor<2xf32>
  %2 = graph.reshape %0 : (tensor<2xf32>) -> tensor<2x1xf32>
  %3 = graph.binary sub %x, %2 : (tensor<2x8xf32>, tensor<2x1xf32>) -> tensor<2x8xf32>
  %4 = graph.unary exp %3 : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %5 = graph.reduce add %4 {axes = array<i64: 1>, keepdims = false} : (tensor<2x8xf32>) -> tensor<2xf32>
  %6 = graph.reshape %5 : (tensor<2xf32>) -> tensor<2x1xf32>
  %7 = graph.binary div %4, %6 : (tensor<2x8xf32>, tensor<2x1xf32>) -> tensor<2x8xf32>
  func.return %7 : tensor<2x8xf32>
}

// A finite bound stays.
// CHECK-LABEL: func.func @bounded
// CHECK:         graph.binary max
func.func @bounded(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %low = weights.constant dense<-1.0> : tensor<f32>
  %0 = graph.binary max %x, %low : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  func.return %0 : tensor<2x8xf32>
}
