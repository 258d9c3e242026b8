// RUN: vcc-opt %s -p 'form-kernels{target=vn1}' --split-input-file | filecheck %s

// A factor per channel, computed from what it scales: the convolution multiplies on its way.

// CHECK-LABEL: @squeeze_excite
// CHECK: %y = graph.kernel %x, %s, %w {kind = "conv", remarks = ["computes 1 operation before it, which saves {{[0-9,]+}} cycles; fused nothing; stopped: it is a result of the model"]}
// CHECK: %m = graph.binary mul %0, %1
// CHECK: %y_1 = graph.conv %m, %2
func.func @squeeze_excite(%x: tensor<1x32x8x8xf32>, %s: tensor<1x32x1x1xf32>, %w: tensor<16x32x1x1xf32>) -> tensor<1x16x8x8xf32> {
  %m = graph.binary mul %x, %s : (tensor<1x32x8x8xf32>, tensor<1x32x1x1xf32>) -> tensor<1x32x8x8xf32>
  %y = graph.conv %m, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x32x8x8xf32>, tensor<16x32x1x1xf32>) -> tensor<1x16x8x8xf32>
  func.return %y : tensor<1x16x8x8xf32>
}

// -----

// Around an operand the convolution has zeros; exp would make ones of them.

// CHECK-LABEL: @border
// CHECK: %e = graph.kernel %x {kind = "elementwise", remarks = ["fused nothing; stopped: graph.conv is not elementwise; not computed by its readers (conv): the border of 0 would not stay 0"]}
// CHECK: %y = graph.kernel %e, %w {kind = "conv"
func.func @border(%x: tensor<1x32x8x8xf32>, %w: tensor<16x32x3x3xf32>) -> tensor<1x16x8x8xf32> {
  %e = graph.unary exp %x : (tensor<1x32x8x8xf32>) -> tensor<1x32x8x8xf32>
  %y = graph.conv %e, %w {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x32x8x8xf32>, tensor<16x32x3x3xf32>) -> tensor<1x16x8x8xf32>
  func.return %y : tensor<1x16x8x8xf32>
}

// -----

// A transpose between is moved before the square root and becomes a part of the product's load.

// CHECK-LABEL: @through_view
// CHECK: %y = graph.kernel %x, %w {kind = "matmul"
// CHECK: %[[T:.*]] = graph.transpose %0 {perm = array<i64: 1, 0>}
// CHECK: %[[S:.*]] = graph.unary sqrt %[[T]] : (tensor<24x40xf32>) -> tensor<24x40xf32>
// CHECK: graph.matmul %[[S]], %1
func.func @through_view(%x: tensor<40x24xf32>, %w: tensor<40x8xf32>) -> tensor<24x8xf32> {
  %s = graph.unary sqrt %x : (tensor<40x24xf32>) -> tensor<40x24xf32>
  %t = graph.transpose %s {perm = array<i64: 1, 0>} : (tensor<40x24xf32>) -> tensor<24x40xf32>
  %y = graph.matmul %t, %w : (tensor<24x40xf32>, tensor<40x8xf32>) -> tensor<24x8xf32>
  func.return %y : tensor<24x8xf32>
}

// -----

// Two readers each compute the product: a launch costs more than that. A result of the model is stored in any case.

// CHECK-LABEL: @two_readers
// CHECK-NOT: kind = "elementwise"
// CHECK: graph.kernel %x, %s, %w {kind = "conv"
// CHECK: graph.kernel %x, %s {kind = "reduce"
func.func @two_readers(%x: tensor<1x32x8x8xf32>, %s: tensor<1x32x1x1xf32>, %w: tensor<16x32x1x1xf32>) -> (tensor<1x16x8x8xf32>, tensor<1x32x1x1xf32>) {
  %m = graph.binary mul %x, %s : (tensor<1x32x8x8xf32>, tensor<1x32x1x1xf32>) -> tensor<1x32x8x8xf32>
  %y = graph.conv %m, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x32x8x8xf32>, tensor<16x32x1x1xf32>) -> tensor<1x16x8x8xf32>
  %r = graph.reduce max %m {axes = array<i64: 2, 3>, keepdims = true} : (tensor<1x32x8x8xf32>) -> tensor<1x32x1x1xf32>
  func.return %y, %r : tensor<1x16x8x8xf32>, tensor<1x32x1x1xf32>
}

// CHECK-LABEL: @returned
// CHECK: graph.kernel %x, %s {kind = "elementwise"
// CHECK: graph.kernel %{{.*}}, %w {kind = "conv"
func.func @returned(%x: tensor<1x32x8x8xf32>, %s: tensor<1x32x1x1xf32>, %w: tensor<16x32x1x1xf32>) -> (tensor<1x16x8x8xf32>, tensor<1x32x8x8xf32>) {
  %m = graph.binary mul %x, %s : (tensor<1x32x8x8xf32>, tensor<1x32x1x1xf32>) -> tensor<1x32x8x8xf32>
  %y = graph.conv %m, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x32x8x8xf32>, tensor<16x32x1x1xf32>) -> tensor<1x16x8x8xf32>
  func.return %y, %m : tensor<1x16x8x8xf32>, tensor<1x32x8x8xf32>
}

// -----

// Many columns of output tiles would each compute the prologue of a long operand again, and it is long itself.

// CHECK-LABEL: @recomputed
// CHECK: kind = "elementwise"{{.*}}not computed by its readers (matmul): computing it there takes {{[0-9,]+}} cycles instead of {{[0-9,]+}}
// CHECK: kind = "matmul"
func.func @recomputed(%x: tensor<1024x1024xf32>, %w: tensor<1024x8192xf32>) -> tensor<1024x8192xf32> {
  %a = graph.unary exp %x : (tensor<1024x1024xf32>) -> tensor<1024x1024xf32>
  %b = graph.unary sin %a : (tensor<1024x1024xf32>) -> tensor<1024x1024xf32>
  %c = graph.unary exp %b : (tensor<1024x1024xf32>) -> tensor<1024x1024xf32>
  %d = graph.unary sin %c : (tensor<1024x1024xf32>) -> tensor<1024x1024xf32>
  %y = graph.matmul %d, %w : (tensor<1024x1024xf32>, tensor<1024x8192xf32>) -> tensor<1024x8192xf32>
  func.return %y : tensor<1024x8192xf32>
}
