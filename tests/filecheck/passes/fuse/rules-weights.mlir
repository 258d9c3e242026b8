// RUN: vcc-opt %s -p apply-rules{files=canonical,arithmetic,weights} | filecheck %s

// CHECK-LABEL: func.func @factors_meet
// CHECK:         [[C:%.*]] = weights.constant dense<1.500000e+00>
// CHECK-NEXT:    graph.binary mul %x, [[C]]
// CHECK-NEXT:    func.return
func.func @factors_meet(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %a = weights.constant dense<2.0> : tensor<f32>
  %b = weights.constant dense<3.0> : tensor<1xf32>
  %0 = graph.binary div %x, %a : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %1 = graph.binary mul %b, %0 : (tensor<1xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return %1 : tensor<2x4xf32>
}

// The value between them is needed, so that nothing would be saved.
// CHECK-LABEL: func.func @two_uses
// CHECK:         [[A:%.*]] = graph.binary mul %x
// CHECK-NEXT:    [[B:%.*]] = graph.binary mul [[A]]
// CHECK-NEXT:    func.return [[A]], [[B]]
func.func @two_uses(%x: tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  %a = weights.constant dense<2.0> : tensor<f32>
  %0 = graph.binary mul %x, %a : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %1 = graph.binary mul %0, %a : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  func.return %0, %1 : tensor<2x4xf32>, tensor<2x4xf32>
}

// A factor and an offset go into a convolution without padding.
// CHECK-LABEL: func.func @affine_into_conv
// CHECK-DAG:     [[W:%.*]] = weights.constant dense<{{\[\[\[\[}}2.000000e+00]], {{\[\[}}6.000000e+00]]]]>
// CHECK-DAG:     [[B:%.*]] = weights.constant dense<1.100000e+01> : tensor<1xf32>
// CHECK:         graph.conv %x, [[W]], [[B]]
// CHECK-NEXT:    func.return
func.func @affine_into_conv(%x: tensor<1x2x3x3xf32>) -> tensor<1x1x3x3xf32> {
  %a = weights.constant dense<[[[2.0]], [[3.0]]]> : tensor<2x1x1xf32>
  %b = weights.constant dense<[[[1.0]], [[5.0]]]> : tensor<2x1x1xf32>
  %w = weights.constant dense<[[[[1.0]], [[2.0]]]]> : tensor<1x2x1x1xf32>
  %0 = graph.binary mul %x, %a : (tensor<1x2x3x3xf32>, tensor<2x1x1xf32>) -> tensor<1x2x3x3xf32>
  %1 = graph.binary add %0, %b : (tensor<1x2x3x3xf32>, tensor<2x1x1xf32>) -> tensor<1x2x3x3xf32>
  %2 = graph.conv %1, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x2x3x3xf32>, tensor<1x2x1x1xf32>) -> tensor<1x1x3x3xf32>
  func.return %2 : tensor<1x1x3x3xf32>
}

// Padding is zero behind the offset, not before it.
// CHECK-LABEL: func.func @offset_before_padding
// CHECK:         [[Y:%.*]] = graph.binary add %x
// CHECK-NEXT:    graph.conv [[Y]]
func.func @offset_before_padding(%x: tensor<1x1x3x3xf32>) -> tensor<1x1x5x5xf32> {
  %b = weights.constant dense<1.0> : tensor<f32>
  %w = weights.constant dense<2.0> : tensor<1x1x1x1xf32>
  %1 = graph.binary add %x, %b : (tensor<1x1x3x3xf32>, tensor<f32>) -> tensor<1x1x3x3xf32>
  %2 = graph.conv %1, %w {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x1x3x3xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x5x5xf32>
  func.return %2 : tensor<1x1x5x5xf32>
}

// A factor that varies along the spatial axes is none per channel.
// CHECK-LABEL: func.func @spatial_factor
// CHECK:         [[Y:%.*]] = graph.binary mul %x
// CHECK-NEXT:    graph.conv [[Y]]
func.func @spatial_factor(%x: tensor<1x1x1x3xf32>) -> tensor<1x1x1x3xf32> {
  %a = weights.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %w = weights.constant dense<2.0> : tensor<1x1x1x1xf32>
  %1 = graph.binary mul %x, %a : (tensor<1x1x1x3xf32>, tensor<3xf32>) -> tensor<1x1x1x3xf32>
  %2 = graph.conv %1, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x1x1x3xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x3xf32>
  func.return %2 : tensor<1x1x1x3xf32>
}

// CHECK-LABEL: func.func @factor_into_matmul
// CHECK:         [[W:%.*]] = weights.constant dense<{{\[\[}}2.000000e+00], [6.000000e+00]]>
// CHECK-NEXT:    graph.matmul %x, [[W]]
func.func @factor_into_matmul(%x: tensor<3x2xf32>) -> tensor<3x1xf32> {
  %a = weights.constant dense<[2.0, 3.0]> : tensor<2xf32>
  %w = weights.constant dense<[[1.0], [2.0]]> : tensor<2x1xf32>
  %0 = graph.binary mul %x, %a : (tensor<3x2xf32>, tensor<2xf32>) -> tensor<3x2xf32>
  %1 = graph.matmul %0, %w : (tensor<3x2xf32>, tensor<2x1xf32>) -> tensor<3x1xf32>
  func.return %1 : tensor<3x1xf32>
}

// Quantisation rounds the quotient: its last bit counts.
// CHECK-LABEL: func.func @rounded_quotient
// CHECK:         [[Q:%.*]] = graph.binary div %x
// CHECK-NEXT:    graph.unary round [[Q]]
func.func @rounded_quotient(%x: tensor<3xf32>) -> tensor<3xf32> {
  %a = weights.constant dense<0.3> : tensor<f32>
  %0 = graph.binary div %x, %a : (tensor<3xf32>, tensor<f32>) -> tensor<3xf32>
  %1 = graph.unary round %0 : (tensor<3xf32>) -> tensor<3xf32>
  func.return %1 : tensor<3xf32>
}
