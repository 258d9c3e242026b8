// RUN: vcc-opt %s -p 'lower-onnx' --split-input-file | filecheck %s
// Phases of 3 x 3 by a stride of 2 have 4, 2, 2 and 1 taps: each is a convolution with its own.

// CHECK-LABEL: @few
// CHECK: graph.conv %x, %0 {{.*}}, tensor<32x32x1x1xf32>) -> tensor<1x32x16x16xf32>
// CHECK: graph.conv %x, %2 {pads = array<i64: 0, 0, 0, 1>, {{.*}}, tensor<32x32x1x2xf32>) -> tensor<1x32x16x16xf32>
// CHECK: graph.conv %x, %4 {pads = array<i64: 0, 0, 1, 0>, {{.*}}, tensor<32x32x2x1xf32>) -> tensor<1x32x16x16xf32>
// CHECK: graph.conv %x, %6 {pads = array<i64: 0, 0, 1, 1>, {{.*}}, tensor<32x32x2x2xf32>) -> tensor<1x32x16x16xf32>
// CHECK: graph.concat %1, %3, %5, %7
func.func @few(%x: tensor<1x32x16x16xf32>) -> tensor<1x32x32x32xf32> {
  %w = weights.constant dense<1.0> : tensor<32x32x3x3xf32>
  %y = "onnx.ConvTranspose.v11"(%x, %w) <{strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, output_padding = array<i64: 1, 1>}> : (tensor<1x32x16x16xf32>, tensor<32x32x3x3xf32>) -> tensor<1x32x32x32xf32>
  func.return %y : tensor<1x32x32x32xf32>
}

// -----

// A stride of 32 has 1024 phases: what they would save of what is cut off, a ninth, is not worth so many launches.

// CHECK-LABEL: @many
// CHECK: graph.conv {{.*}}, tensor<21504x21x2x2xf32>) -> tensor<1x21504x17x17xf32>
// CHECK-NOT: graph.conv
// CHECK: graph.slice
func.func @many(%x: tensor<1x21x16x16xf32>) -> tensor<1x21x512x512xf32> {
  %w = weights.constant dense<1.0> : tensor<21x21x64x64xf32>
  %y = "onnx.ConvTranspose.v11"(%x, %w) <{strides = array<i64: 32, 32>, pads = array<i64: 16, 16, 16, 16>}> : (tensor<1x21x16x16xf32>, tensor<21x21x64x64xf32>) -> tensor<1x21x512x512xf32>
  func.return %y : tensor<1x21x512x512xf32>
}
