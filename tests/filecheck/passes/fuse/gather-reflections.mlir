// RUN: vcc-opt %s -p 'gather-reflections' --split-input-file | filecheck %s
// RUN: vcc-opt %s -p 'gather-reflections,form-kernels{target=vn1}' --split-input-file | filecheck %s --check-prefix KERNELS

// The signal with mirrored ends, then the convolution that reads it: one kernel, which loads through indices.

// CHECK-LABEL: @reflected
// CHECK: %[[I:.*]] = weights.constant dense<[2, 1, 0, 1, 2, 3, 4, 5, 6, 7, 6]> : tensor<11xi32>
// CHECK: %[[G:.*]] = graph.gather %x, %[[I]] {axis = 2 : i64} : (tensor<1x1x8xf32>, tensor<11xi32>) -> tensor<1x1x11xf32>
// CHECK: graph.conv %[[G]], %w
// KERNELS-LABEL: @reflected
// KERNELS-NOT: kind = "gather"
// KERNELS: kind = "conv", remarks = ["computes 1 operation before it, which saves
func.func @reflected(%x: tensor<1x1x8xf32>, %w: tensor<4x1x3xf32>) -> tensor<1x4x9xf32> {
  %b = graph.slice %x {starts = array<i64: 0, 0, 2>, sizes = array<i64: 1, 1, 2>, steps = array<i64: 1, 1, -1>} : (tensor<1x1x8xf32>) -> tensor<1x1x2xf32>
  %e = graph.slice %x {starts = array<i64: 0, 0, 6>, sizes = array<i64: 1, 1, 1>, steps = array<i64: 1, 1, -1>} : (tensor<1x1x8xf32>) -> tensor<1x1x1xf32>
  %p = graph.concat %b, %x, %e {axis = 2 : i64} : (tensor<1x1x2xf32>, tensor<1x1x8xf32>, tensor<1x1x1xf32>) -> tensor<1x1x11xf32>
  %y = graph.conv %p, %w {pads = array<i64: 0, 0>, strides = array<i64: 1>, dilations = array<i64: 1>, group = 1 : i64} : (tensor<1x1x11xf32>, tensor<4x1x3xf32>) -> tensor<1x4x9xf32>
  func.return %y : tensor<1x4x9xf32>
}

// -----

// Left alone: parts of two tensors, and one that a model returns.

// CHECK-LABEL: @others
// CHECK: graph.concat %b, %z
// CHECK: graph.concat %b, %x
// KERNELS-LABEL: @others
func.func @others(%x: tensor<1x1x8xf32>, %z: tensor<1x1x8xf32>, %w: tensor<4x1x3xf32>) -> (tensor<1x4x8xf32>, tensor<1x1x10xf32>) {
  %b = graph.slice %x {starts = array<i64: 0, 0, 2>, sizes = array<i64: 1, 1, 2>, steps = array<i64: 1, 1, -1>} : (tensor<1x1x8xf32>) -> tensor<1x1x2xf32>
  %p = graph.concat %b, %z {axis = 2 : i64} : (tensor<1x1x2xf32>, tensor<1x1x8xf32>) -> tensor<1x1x10xf32>
  %y = graph.conv %p, %w {pads = array<i64: 0, 0>, strides = array<i64: 1>, dilations = array<i64: 1>, group = 1 : i64} : (tensor<1x1x10xf32>, tensor<4x1x3xf32>) -> tensor<1x4x8xf32>
  %q = graph.concat %b, %x {axis = 2 : i64} : (tensor<1x1x2xf32>, tensor<1x1x8xf32>) -> tensor<1x1x10xf32>
  func.return %y, %q : tensor<1x4x8xf32>, tensor<1x1x10xf32>
}
